#include "runtime/store/chunks.hpp"

#include <algorithm>

namespace troupe::store {

std::string placeholders(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += (i == 0 ? ":p" : ", :p") + std::to_string(i);
  return out;
}

std::vector<parameter> next_chunk(const std::vector<parameter>& first,
                                  std::span<const std::int64_t>& ids) {
  auto count = std::min(ids.size(), ids_in_a_statement);
  auto result = first;
  result.reserve(first.size() + ids_in_a_statement);
  for (std::size_t i = 0; i < ids_in_a_statement; ++i)
    result.push_back(to_parameter(ids[std::min(i, count - 1)]));
  ids = ids.subspan(count);
  return result;
}

void remove_of(unit& u, std::string_view head, const std::vector<parameter>& first,
               std::span<const std::int64_t> ids) {
  const auto sql = std::string{head} + '(' + placeholders(ids_in_a_statement) + ')';
  while (!ids.empty())
    u.execute_with(sql, next_chunk(first, ids));
}

/// Rows of one statement: of the widest table 320 parameters.
static constexpr std::size_t rows_together = 32;

row_insert::row_insert(std::string_view head, std::size_t width, std::string_view tail)
  : width_(width) {
  auto statement = [&](std::size_t rows) {
    std::string sql{head};
    for (std::size_t i = 0; i < rows * width; ++i) {
      sql += i % width != 0 ? ", " : i == 0 ? " (" : "), (";
      sql += ":p" + std::to_string(i);
    }
    return sql.append(") ").append(tail);
  };
  one_ = statement(1);
  many_ = statement(rows_together);
}

void row_insert::run(unit& u, std::vector<parameter> parameters) const {
  for (auto at = parameters.begin(); at != parameters.end();) {
    auto left = static_cast<std::size_t>(parameters.end() - at);
    auto together = left >= rows_together * width_;
    auto end = at + static_cast<std::ptrdiff_t>(together ? rows_together * width_ : width_);
    u.execute_with(together ? many_ : one_,
                   {std::make_move_iterator(at), std::make_move_iterator(end)});
    at = end;
  }
}

static std::vector<parameter> copied(std::span<const borrowed> values) {
  std::vector<parameter> result;
  result.reserve(values.size());
  for (auto& x : values)
    result.push_back({x.kind, false, x.integer, std::string{x.text}});
  return result;
}

void row_insert::run(unit& u, std::span<const borrowed> values) const {
  if (!u.inserts_one_by_one())
    return run(u, copied(values));
  for (; !values.empty(); values = values.subspan(width_))
    u.insert(one_, values.first(width_));
}

bool row_insert::run_one(unit& u, std::span<const borrowed> values) const {
  if (!u.inserts_one_by_one())
    return u.execute_with(one_, copied(values)) == 1;
  return u.insert(one_, values) == 1;
}

} // namespace troupe::store

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

void put_rows(unit& u, std::string_view head, std::string_view tail, std::size_t width,
              std::vector<parameter> parameters) {
  constexpr std::size_t together = 50;
  auto statement = [&](std::size_t rows) {
    std::string sql{head};
    for (std::size_t i = 0; i < rows * width; ++i) {
      sql += i % width != 0 ? ", " : i == 0 ? " (" : "), (";
      sql += ":p" + std::to_string(i);
    }
    return sql + ") " + std::string{tail};
  };
  const auto many = statement(together);
  const auto one = statement(1);
  for (auto at = parameters.begin(); at != parameters.end();) {
    auto left = static_cast<std::size_t>(parameters.end() - at);
    auto rows = left >= together * width ? together : 1;
    auto end = at + static_cast<std::ptrdiff_t>(rows * width);
    u.execute_with(rows == 1 ? one : many,
                   {std::make_move_iterator(at), std::make_move_iterator(end)});
    at = end;
  }
}

} // namespace troupe::store

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

} // namespace troupe::store

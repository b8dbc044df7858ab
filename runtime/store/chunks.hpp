#pragma once
#include "runtime/store/database.hpp"

#include <algorithm>

namespace troupe::store {

/// How many ids one statement takes.
inline constexpr std::size_t ids_in_a_statement = 100;

/// `:p0, :p1, …`: `count` parameters.
[[nodiscard]] std::string placeholders(std::size_t count);

/// Rows for any number of ids: `head` ends before the list of ids, `first` are the parameters in
/// it. A last chunk that is not full repeats its last id, so that there is one statement to
/// prepare. Ids may repeat; what `head` finds for one in two chunks comes twice.
template <class Row>
std::vector<Row> rows_of(unit& u, std::string_view head, std::vector<parameter> first,
                         std::span<const std::int64_t> ids) {
  const auto sql = std::string{head} + '(' + placeholders(ids_in_a_statement) + ')';
  std::vector<Row> result;
  for (; !ids.empty(); ids = ids.subspan(std::min(ids.size(), ids_in_a_statement))) {
    auto parameters = first;
    for (std::size_t i = 0; i < ids_in_a_statement; ++i)
      parameters.push_back(to_parameter(ids[std::min(i, ids.size() - 1)]));
    for (auto& row : u.rows_with<Row>(sql, std::move(parameters)))
      result.push_back(std::move(row));
  }
  return result;
}

} // namespace troupe::store

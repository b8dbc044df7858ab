#pragma once
#include "runtime/store/database.hpp"

namespace troupe::store {

/// How many ids one statement takes.
inline constexpr std::size_t ids_in_a_statement = 100;

/// `:p0, :p1, …`: `count` parameters.
[[nodiscard]] std::string placeholders(std::size_t count);

/// The parameters of one chunk: `first`, then the next ids; a chunk that is not full repeats its
/// last id, so that there is one statement to prepare. Takes them from `ids`, which is not empty.
[[nodiscard]] std::vector<parameter> next_chunk(const std::vector<parameter>& first,
                                                std::span<const std::int64_t>& ids);

/// Rows for any number of ids: `head` ends before the list of ids, `first` are the parameters in
/// it. Ids may repeat; what `head` finds for one in two chunks comes twice.
template <class Row>
std::vector<Row> rows_of(unit& u, std::string_view head, const std::vector<parameter>& first,
                         std::span<const std::int64_t> ids) {
  const auto sql = std::string{head} + '(' + placeholders(ids_in_a_statement) + ')';
  std::vector<Row> result;
  while (!ids.empty())
    for (auto& row : u.rows_with<Row>(sql, next_chunk(first, ids)))
      result.push_back(std::move(row));
  return result;
}

/// The same for a statement that gives no rows.
void remove_of(unit& u, std::string_view head, const std::vector<parameter>& first,
               std::span<const std::int64_t> ids);

/// Inserts rows of `width` parameters each, many with one statement, what is left over one by one:
/// two statements to prepare. `head` ends with VALUES; `tail` may say what to do with a row that is
/// there: then no key may come twice.
void put_rows(unit& u, std::string_view head, std::string_view tail, std::size_t width,
              std::vector<parameter> parameters);

} // namespace troupe::store

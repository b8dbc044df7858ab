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

/// INSERTs of rows of one table: many with one statement, what is left over one by one, so that
/// there are two statements to prepare.
class row_insert {
public:
  /// @param head Ends with VALUES.
  /// @param tail What to do with a row that is there. Where it changes that row, no key may come
  ///   twice.
  /// @param width Parameters of a row.
  row_insert(std::string_view head, std::size_t width, std::string_view tail = {});

  /// @param parameters Of all rows.
  void run(unit& u, std::vector<parameter> parameters) const;
  /// @param values Of all rows.
  void run(unit& u, std::span<const borrowed> values) const;
  /// @returns whether the row was not there
  bool run_one(unit& u, std::span<const borrowed> values) const;

private:
  std::size_t width_;
  std::string one_;
  std::string many_;
};

} // namespace troupe::store

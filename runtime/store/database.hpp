#pragma once
#include "runtime/store/cells.hpp"
#include "runtime/store/location.hpp"

#include <functional>
#include <memory>
#include <utility>

namespace troupe::store {

struct database_options {
  location where;
  /// How long one statement waits for another's lock.
  std::chrono::milliseconds lock_timeout{5'000};
  /// PostgreSQL: how long one statement may take, and how long connecting may take.
  std::chrono::milliseconds statement_timeout{30'000};
  std::chrono::milliseconds connect_timeout{5'000};
  /// For how long a unit of work is tried again after `busy` and `lost_connection`.
  std::chrono::milliseconds patience{10'000};
  /// Called before every statement of a unit, on its thread: for tests and for measuring.
  std::function<void(std::string_view sql, std::span<const parameter>)> trace{};
  /// SQLite: at most so many pages of 4 KiB, then `disk_full`; 0: as many as the disk holds.
  std::uint32_t max_pages = 0;
  /// SQLite: when the log has so many pages, the unit that brought it there puts them in their
  /// places before it returns.
  std::uint32_t max_log_pages = 8000;
};

struct connection;

/// What works inside a unit of work: statements on one connection, all in one transaction. SQL
/// takes
/// `:name` parameters, each once, given in their order. Statements are prepared once per
/// connection: their text must be constant, values are always parameters.
class unit {
public:
  /// Runs a statement that gives no rows. @returns the number of rows it touched
  template <class... Args>
  std::size_t execute(std::string_view sql, const Args&... args) {
    return run(sql, {to_parameter(args)...}, 0, {});
  }

  /// All rows of a query. @see columns
  template <class Row, class... Args>
  std::vector<Row> rows(std::string_view sql, const Args&... args) {
    return rows_with<Row>(sql, {to_parameter(args)...});
  }

  /// The first row of a query, if there is one.
  template <class Row, class... Args>
  std::optional<Row> row(std::string_view sql, const Args&... args) {
    auto all = rows<Row>(sql, args...);
    if (all.empty())
      return std::nullopt;
    return std::move(all.front());
  }

  /// The first column of the first row.
  template <class T, class... Args>
  std::optional<T> value(std::string_view sql, const Args&... args) {
    auto found = row<std::tuple<T>>(sql, args...);
    if (!found)
      return std::nullopt;
    return std::move(std::get<0>(*found));
  }

  /// For statements with a variable number of parameters.
  template <class Row>
  std::vector<Row> rows_with(std::string_view sql, std::vector<parameter> parameters) {
    std::vector<Row> result;
    constexpr auto width = std::tuple_size_v<decltype(columns(std::declval<Row&>()))>;
    run(sql, std::move(parameters), width, [&result](std::span<const cell> from) {
      auto to = columns(result.emplace_back());
      std::size_t i = 0;
      std::apply([&](auto&... one) { (from_cell(from[i++], one), ...); }, to);
    });
    return result;
  }
  std::size_t execute_with(std::string_view sql, std::vector<parameter> parameters) {
    return run(sql, std::move(parameters), 0, {});
  }

  /// Whether rows that are inserted one by one cost less than several with one statement.
  [[nodiscard]] bool inserts_one_by_one() const noexcept;
  /// Runs a statement that inserts one row, where they do. @returns the number of rows it touched
  std::size_t insert(const std::string& sql, std::span<const borrowed> row);

  [[nodiscard]] backend kind() const noexcept;

  /// Called by the migrations alone: a statement that is neither prepared nor kept.
  void define(const std::string& sql);

private:
  friend class database;
  using row_sink = std::function<void(std::span<const cell>)>;

  explicit unit(connection& on) noexcept : on_(on) {}
  std::size_t run(std::string_view sql, std::vector<parameter> parameters, std::size_t width,
                  const row_sink& sink);

  connection& on_;
};

/// One connection to the store. Blocks. To be used by one thread at a time; a process that reads
/// while it writes opens several.
class database {
public:
  using work = std::function<void(unit&)>;

  /// Connects. @throws store_error
  explicit database(database_options options);
  ~database();
  database(database&&) noexcept;

  /// Runs `what` in one transaction that is on disk when this returns: acknowledge nothing earlier,
  /// nothing is lost afterwards. Units that write behave as if they ran one after the other. After
  /// `busy` and `lost_connection` the unit is tried again from its start within `patience`, so
  /// `what` must have no effect but on the store and its own result. What `what` throws undoes the
  /// unit.
  /// @throws store_error
  template <class F>
  auto write(F&& what) {
    return in_unit(mode::write, what);
  }

  /// Runs `what` on one unchanging view of the store. Writing fails. @throws store_error
  template <class F>
  auto read(F&& what) {
    return in_unit(mode::read, what);
  }

  [[nodiscard]] backend kind() const noexcept { return options_.where.kind; }

  /// SQLite: pages in the log after the last unit that was written on this connection; 0: none was.
  [[nodiscard]] std::size_t log_pages() const noexcept;

  /// SQLite: puts the log's pages in their places, as far as nobody reads older ones, while others
  /// read and write. What cannot be done now stays in the log. When all are, the next unit that
  /// writes begins the log anew. Other databases: nothing. @throws store_error (no connection)
  void tidy_log();

  /// Changes how long units are tried again. @returns the former value
  std::chrono::milliseconds set_patience(std::chrono::milliseconds patience) noexcept {
    return std::exchange(options_.patience, patience);
  }

private:
  enum class mode : std::uint8_t { read, write };

  template <class F>
  auto in_unit(mode how, F& what) {
    using result = std::invoke_result_t<F&, unit&>;
    if constexpr (std::is_void_v<result>) {
      run(how, what);
    } else {
      std::optional<result> out;
      run(how, [&](unit& u) { out.emplace(what(u)); });
      return std::move(*out);
    }
  }

  void run(mode how, const work& what);
  void attempt(mode how, const work& what);
  connection& connected();

  database_options options_;
  std::unique_ptr<connection> connection_;
};

/// Copies an SQLite store into a new file while others use it: what was committed before, nothing
/// that comes later. On a connection of its own; waits for no writer.
/// @throws store_error (constraint) when the file exists, or the store is no SQLite
void back_up(const database_options& options, const std::string& path);

} // namespace troupe::store

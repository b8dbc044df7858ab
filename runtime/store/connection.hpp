#pragma once
#include "runtime/store/database.hpp"

#include <soci/soci.h>

#include <unordered_map>

/// The room's own header: what is behind `database` and `unit`. Nobody else includes SOCI.
namespace troupe::store {

using row_sink = std::function<void(std::span<const cell>)>;

/// A prepared statement with the memory that its parameters and columns are bound to.
class statement {
public:
  statement(soci::session& on, const std::string& sql, const std::vector<parameter>& like,
            std::size_t width);

  /// Whether it was prepared for parameters of these types.
  [[nodiscard]] bool fits(const std::vector<parameter>& given, std::size_t width) const noexcept;

  /// Reads all rows to their end: a statement that is left half read keeps its locks in SQLite.
  std::size_t run(std::vector<parameter> given, const row_sink& sink);

private:
  struct input {
    parameter::type kind = parameter::type::integer;
    soci::indicator null = soci::i_ok;
    long long integer = 0;
    std::string text;
  };

  std::vector<input> inputs_;
  std::vector<cell> cells_;
  std::vector<soci::indicator> nulls_;
  soci::statement statement_;
};

/// An open connection: the part that the two databases do in different ways is in `dialect`.
struct connection {
  enum class step : std::uint8_t { begin_read, begin_write, commit, rollback };

  struct dialect {
    virtual ~dialect() = default;
    /// What this database says of an error; never with values in it.
    virtual store_error explain(const soci::soci_error& x) const = 0;
    /// Whether a transaction is open.
    virtual bool in_transaction() const = 0;
    virtual void take(step what) = 0;
    /// @see unit::insert
    virtual std::size_t insert(const std::string&, std::span<const borrowed>) {
      throw store_error(fault::other, "this database's rows are inserted with others");
    }
    /// @see database::log_pages, database::tidy_log
    virtual std::size_t log_pages() const noexcept { return 0; }
    virtual void tidy_log() noexcept {}
  };

  backend kind = backend::sqlite;
  std::function<void(std::string_view, std::span<const parameter>)> trace;
  std::unique_ptr<soci::session> session;
  std::unique_ptr<dialect> own;
  /// By text. Destroyed before the session.
  std::unordered_map<std::string, std::unique_ptr<statement>> prepared;
  std::optional<store_error> failed; ///< The unit's first failure: it must not be committed.
  std::vector<std::string> spoilt;   ///< Statements to be prepared anew.
  bool broken = false;               ///< To be replaced by a new connection.

  ~connection() { prepared.clear(); }

  void begin(bool writing);
  void commit();
  void undo() noexcept;
  std::size_t run(std::string_view sql, std::vector<parameter> parameters, std::size_t width,
                  const row_sink& sink);

  std::size_t insert(const std::string& sql, std::span<const borrowed> row);

  /// Runs `what`; errors of the database come out as store_error and spoil the unit.
  template <class F>
  auto guarded(F&& what) {
    try {
      return what();
    } catch (const soci::soci_error& x) {
      failed = own->explain(x);
      broken = broken || failed->kind() == fault::lost_connection;
      throw *failed;
    }
  }
};

[[nodiscard]] std::unique_ptr<connection> open_sqlite(const database_options& options);
[[nodiscard]] std::unique_ptr<connection> open_postgresql(const database_options& options);

} // namespace troupe::store

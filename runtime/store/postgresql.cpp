#include "runtime/store/connection.hpp"

#include <soci/postgresql/soci-postgresql.h>

#include <algorithm>

namespace troupe::store {
namespace {

/// By SQLSTATE (PostgreSQL documentation, appendix A).
fault fault_of(std::string_view state) noexcept {
  if (state == "40001" || state == "40P01" || state == "55P03" || state == "57014")
    return fault::busy; // Serialization failure, deadlock, lock timeout, statement timeout.
  if (state == "53100")
    return fault::disk_full;
  // The server stops or starts, has no place for a connection, became a standby, or no longer
  // knows our prepared statements. Blanks: libpq itself found the connection closed.
  if (state == "     " || state.starts_with("08") || state.starts_with("57P") || state == "53300"
      || state == "25006" || state == "25P03" || state == "26000" || state == "0A000")
    return fault::lost_connection;
  if (state.starts_with("23") || state.starts_with("22") || state.starts_with("54")
      || state == "P0001")
    return fault::constraint;
  return state.starts_with("42") ? fault::schema : fault::other;
}

/// libpq's sentences have line breaks and tabs in them.
std::string on_one_line(std::string_view text) {
  std::string out;
  for (auto c : text)
    if (c != '\n' && c != '\t' && c != ' ')
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  while (!out.empty() && out.back() == ' ')
    out.pop_back();
  return out;
}

store_error postgresql_error(const soci::soci_error& x) {
  auto* own = dynamic_cast<const soci::postgresql_soci_error*>(&x);
  if (own == nullptr)
    return {fault::other, "PostgreSQL: " + x.get_error_message()};
  auto state = own->sqlstate();
  // Sentences about bad data (class 22) quote them; terse ones of the other classes do not.
  auto text = state.starts_with("22") ? std::string{"a value is not allowed in its column"}
                                      : own->get_error_message();
  text = on_one_line(text);
  return {fault_of(state), "PostgreSQL: " + text + " (" + state + ")"};
}

class postgresql_dialect : public connection::dialect {
public:
  explicit postgresql_dialect(soci::session& on)
    : own_(*static_cast<soci::postgresql_session_backend*>(on.get_backend())) {}

  store_error explain(const soci::soci_error& x) const override { return postgresql_error(x); }

  bool in_transaction() const override { return PQtransactionStatus(own_.conn_) != PQTRANS_IDLE; }

  void take(connection::step what) override {
    using enum connection::step;
    switch (what) {
    case begin_read:
      return exec("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    case begin_write:
      // What SQLite does by having one writer: units behave as if one ran after the other.
      return exec("BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE");
    case commit:
      return exec("COMMIT");
    case rollback:
      return exec("ROLLBACK");
    }
  }

private:
  void exec(const char* sql) {
    std::unique_ptr<PGresult, decltype(&PQclear)> done{PQexec(own_.conn_, sql), &PQclear};
    if (PQresultStatus(done.get()) != PGRES_COMMAND_OK) {
      auto* state = PQresultErrorField(done.get(), PG_DIAG_SQLSTATE);
      // A connection that broke has no SQLSTATE.
      throw soci::postgresql_soci_error(PQresultErrorMessage(done.get()),
                                        state != nullptr ? state : "08006");
    }
    // A transaction that failed before answers COMMIT with ROLLBACK, and no error.
    if (std::string_view{sql} == "COMMIT" && std::string_view{PQcmdStatus(done.get())} != "COMMIT")
      throw soci::postgresql_soci_error("the transaction was rolled back", "40000");
  }

  soci::postgresql_session_backend& own_;
};

/// `uri` with a parameter, unless whoever wrote it thought of it.
void add(std::string& uri, std::string_view name, const std::string& value) {
  auto query = uri.find('?');
  if (query != std::string::npos && uri.find(std::string{name} + '=', query) != std::string::npos)
    return;
  uri += query == std::string::npos ? '?' : '&';
  uri.append(name).append(1, '=').append(value);
}

/// A server that vanished is noticed in about 20 s instead of hours.
std::string complete_uri(std::string uri, const database_options& options) {
  auto seconds = std::max<std::int64_t>(2, options.connect_timeout.count() / 1000);
  add(uri, "connect_timeout", std::to_string(seconds));
  add(uri, "keepalives_idle", "10");
  add(uri, "keepalives_interval", "3");
  add(uri, "keepalives_count", "3");
  add(uri, "tcp_user_timeout", "20000");
  add(uri, "target_session_attrs", "read-write");
  add(uri, "application_name", "troupe");
  return uri;
}

std::unique_ptr<soci::session> connect(const database_options& options) {
  try {
    return std::make_unique<soci::session>(soci::postgresql,
                                           complete_uri(options.where.name, options));
  } catch (const soci::soci_error& x) {
    auto text = x.get_error_message();
    // A sentence about the URI itself quotes it, password and all.
    if (text.find("URI") != std::string::npos || text.find("option") != std::string::npos)
      throw store_error(fault::other, "PostgreSQL: store.uri is malformed");
    throw store_error(fault::lost_connection, "PostgreSQL: " + on_one_line(text));
  }
}

void ignore_notice(void*, const char*) {}

void configure_postgresql(soci::session& on, const database_options& options) {
  auto* raw = static_cast<soci::postgresql_session_backend*>(on.get_backend())->conn_;
  PQsetErrorVerbosity(raw, PQERRORS_TERSE);
  PQsetNoticeProcessor(raw, ignore_notice, nullptr);
  auto ms = [](std::chrono::milliseconds x) { return std::to_string(x.count()); };
  on << "SET client_encoding = 'UTF8'";
  on << "SET lock_timeout = " + ms(options.lock_timeout);
  on << "SET statement_timeout = " + ms(options.statement_timeout);
  // A unit whose process hangs does not hold its locks for ever.
  on << "SET idle_in_transaction_session_timeout = 60000";
  // On disk when COMMIT returns, whatever the server's default is; a stronger one is kept.
  on << "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') IN ('off', 'local')";
  std::string encoding;
  on << "SELECT current_setting('server_encoding')", soci::into(encoding);
  if (encoding != "UTF8")
    throw store_error(fault::other,
                      "PostgreSQL: the database's encoding is " + encoding + "; allowed is UTF8");
}

} // namespace

std::unique_ptr<connection> open_postgresql(const database_options& options) {
  auto result = std::make_unique<connection>();
  result->kind = backend::postgresql;
  result->session = connect(options);
  try {
    configure_postgresql(*result->session, options);
  } catch (const soci::soci_error& x) {
    throw postgresql_error(x);
  }
  result->own = std::make_unique<postgresql_dialect>(*result->session);
  return result;
}

} // namespace troupe::store

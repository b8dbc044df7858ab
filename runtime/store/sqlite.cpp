#include "runtime/store/connection.hpp"

#include <soci/sqlite3/soci-sqlite3.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>

namespace troupe::store {
namespace {

using namespace sqlite_api;

fault fault_of(int code) noexcept {
  switch (code & 0xff) {
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
  case SQLITE_PROTOCOL:
  case SQLITE_INTERRUPT:
    return fault::busy;
  case SQLITE_FULL:
    return fault::disk_full;
  case SQLITE_IOERR:
  case SQLITE_CANTOPEN:
    return fault::lost_connection;
  case SQLITE_CONSTRAINT:
  case SQLITE_MISMATCH:
  case SQLITE_TOOBIG:
    return fault::constraint;
  case SQLITE_SCHEMA:
    return fault::schema;
  default:
    return fault::other;
  }
}

/// SQLite's sentences name tables, columns and constraints, never values.
store_error sqlite_error(const soci::soci_error& x) {
  auto text = x.get_error_message();
  auto* own = dynamic_cast<const soci::sqlite3_soci_error*>(&x);
  auto code = own != nullptr ? own->result() : SQLITE_ERROR;
  if (auto head = text.find("backend::"); head != std::string::npos)
    text.erase(0, text.find(' ', head) + 1);
  return {fault_of(code), "SQLite: " + text + " (" + std::to_string(code) + ")"};
}

class sqlite_dialect : public connection::dialect {
public:
  sqlite_dialect(soci::session& on, std::uint32_t max_log_pages)
    : raw_(static_cast<soci::sqlite3_session_backend*>(on.get_backend())->conn_),
      max_log_pages_(max_log_pages) {
    sqlite3_wal_hook(raw_, &committed, this);
  }

  store_error explain(const soci::soci_error& x) const override { return sqlite_error(x); }

  bool in_transaction() const override { return sqlite3_get_autocommit(raw_) == 0; }

  void take(connection::step what) override {
    using enum connection::step;
    switch (what) {
    case begin_read:
      allow_writing(false);
      return exec("BEGIN");
    case begin_write:
      allow_writing(true);
      // At once, so that two writers meet here, where waiting helps, and not in the middle.
      return exec("BEGIN IMMEDIATE");
    case commit:
      return exec("COMMIT");
    case rollback:
      return exec("ROLLBACK");
    }
  }

  /// Without SOCI, which copies each text twice and each statement's text to find it.
  std::size_t insert(const std::string& sql, std::span<const borrowed> row) override {
    auto& prepared = inserts_[sql];
    if (!prepared) {
      sqlite3_stmt* made = nullptr;
      check(sqlite3_prepare_v3(raw_, sql.data(), static_cast<int>(sql.size()),
                               SQLITE_PREPARE_PERSISTENT, &made, nullptr));
      prepared.reset(made);
    }
    auto* on = prepared.get();
    for (int i = 0; auto& x : row) {
      ++i;
      if (x.kind == parameter::type::integer)
        check(sqlite3_bind_int64(on, i, x.integer));
      else if (!is_text(x.text))
        detail::no_text();
      else // An empty one may have no address, which would be NULL.
        check(sqlite3_bind_text(on, i, x.text.empty() ? "" : x.text.data(),
                                static_cast<int>(x.text.size()), SQLITE_STATIC));
    }
    auto stepped = sqlite3_step(on);
    auto touched = sqlite3_changes(raw_);
    if (auto code = sqlite3_reset(on); stepped != SQLITE_DONE)
      throw soci::sqlite3_soci_error(sqlite3_errmsg(raw_), code);
    return static_cast<std::size_t>(touched);
  }

  std::size_t log_pages() const noexcept override { return log_pages_; }

  void tidy_log() noexcept override {
    // PASSIVE waits for nobody. Its failures are found by whoever writes next.
    sqlite3_wal_checkpoint_v2(raw_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  }

private:
  /// Called after each commit that wrote.
  static int committed(void* self, sqlite3*, const char*, int log_pages) noexcept {
    auto& me = *static_cast<sqlite_dialect*>(self);
    me.log_pages_ = static_cast<std::size_t>(log_pages);
    if (me.log_pages_ >= me.max_log_pages_)
      me.tidy_log();
    return SQLITE_OK;
  }

  void allow_writing(bool allowed) {
    if (allowed != writable_)
      exec(allowed ? "PRAGMA query_only=0" : "PRAGMA query_only=1");
    writable_ = allowed;
  }

  void exec(const char* sql) { check(sqlite3_exec(raw_, sql, nullptr, nullptr, nullptr)); }

  void check(int code) const {
    if (code != SQLITE_OK)
      throw soci::sqlite3_soci_error(sqlite3_errmsg(raw_), code);
  }

  struct finalizer {
    void operator()(sqlite3_stmt* x) const noexcept { sqlite3_finalize(x); }
  };

  sqlite_api::sqlite3* raw_;
  bool writable_ = true;
  std::size_t max_log_pages_;
  std::size_t log_pages_ = 0;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, finalizer>> inserts_; ///< By text.
};

/// SOCI reads `key=value` pairs, unless there is no `=` at all.
std::string connect_string(const std::string& path) {
  return path.find('=') == std::string::npos ? path : "dbname=\"" + path + '"';
}

/// The file with mode 0600 before SQLite makes it: its journal gets the same mode.
void prepare_file(const std::string& path) {
  if (path == ":memory:")
    return;
  std::error_code failed;
  if (auto dir = std::filesystem::path{path}.parent_path(); !dir.empty())
    std::filesystem::create_directories(dir, failed);
  // A file that is there is not opened: closing it would take from this process's connections their
  // locks on it (fcntl(2): a process loses all of a file's when it closes any descriptor of it),
  // and another program that reads the store would remove its log under them.
  static std::mutex one_at_a_time; // Nobody connects before the descriptor is closed.
  std::lock_guard guard{one_at_a_time};
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0 && errno == EEXIST && ::access(path.c_str(), R_OK | W_OK) == 0)
    return;
  if (fd < 0)
    throw store_error(errno == ENOSPC ? fault::disk_full : fault::lost_connection,
                      "SQLite: " + path + " cannot be opened for writing: " + std::strerror(errno));
  ::close(fd);
}

void configure_sqlite(soci::session& on, const database_options& options) {
  auto* raw = static_cast<soci::sqlite3_session_backend*>(on.get_backend())->conn_;
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, static_cast<int>(options.lock_timeout.count()));
  std::string mode;
  // Readers and the writer do not wait for each other.
  on << "PRAGMA journal_mode=WAL", soci::into(mode);
  if (mode != "wal" && mode != "memory")
    throw store_error(fault::other, "SQLite: the file system cannot hold a write-ahead log");
  // FULL: the log is on disk when COMMIT returns. NORMAL would lose the last units with the power.
  on << "PRAGMA synchronous=FULL";
  on << "PRAGMA foreign_keys=ON";
  // A log that grew in a burst is cut back instead of kept.
  on << "PRAGMA journal_size_limit=67108864";
  // 4 MiB; what is not here the system has. A commit after a tree was balanced looks through all
  // of it (pcache1TruncateUnsafe), and one that appends to update_marks nearly always was.
  on << "PRAGMA cache_size=-4096";
  on << "PRAGMA temp_store=MEMORY";
  // Functions in a schema that somebody else wrote are not run.
  on << "PRAGMA trusted_schema=OFF";
  // What is deleted is overwritten where that costs no extra write.
  on << "PRAGMA secure_delete=FAST";
  if (options.max_pages != 0)
    on << "PRAGMA max_page_count=" + std::to_string(options.max_pages);
}

/// Each connection is used by one thread at a time: SQLite need not lock it, nor count its memory.
/// Before SQLite's first use in the process; later it changes nothing.
void configure_process() {
  static const auto once = [] {
    return sqlite3_config(SQLITE_CONFIG_MULTITHREAD) == SQLITE_OK
           && sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK;
  }();
  static_cast<void>(once);
}

} // namespace

std::unique_ptr<connection> open_sqlite(const database_options& options) {
  configure_process();
  prepare_file(options.where.name);
  auto result = std::make_unique<connection>();
  result->kind = backend::sqlite;
  try {
    result->session =
      std::make_unique<soci::session>(soci::sqlite3, connect_string(options.where.name));
    configure_sqlite(*result->session, options);
  } catch (const soci::soci_error& x) {
    throw sqlite_error(x);
  }
  result->own = std::make_unique<sqlite_dialect>(*result->session, options.max_log_pages);
  return result;
}

void back_up(const database_options& options, const std::string& path) {
  if (options.where.kind != backend::sqlite)
    throw store_error(fault::constraint, "PostgreSQL is backed up with pg_dump");
  auto cannot = [](int why) {
    return why == EEXIST
             ? store_error(fault::constraint, "SQLite: the backup's file exists already")
             : store_error(why == ENOSPC ? fault::disk_full : fault::other,
                           std::string{"SQLite: the backup cannot be written: "}
                             + std::strerror(why));
  };
  if (::access(path.c_str(), F_OK) == 0)
    throw cannot(EEXIST);
  // Under another name until it is whole and on the disk: a crash leaves no half of a backup that
  // looks like one. VACUUM INTO would take an empty file, with whatever mode that has.
  static std::atomic<unsigned> drafts{0};
  auto draft = path + ".part-" + std::to_string(::getpid()) + '-' + std::to_string(++drafts);
  auto fd = ::open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0)
    throw cannot(errno);
  struct cleaner {
    const std::string& draft;
    int fd;
    ~cleaner() {
      ::close(fd);
      ::unlink(draft.c_str());
    }
  } after{draft, fd};
  try {
    soci::session from{soci::sqlite3, connect_string(options.where.name)};
    auto* raw = static_cast<soci::sqlite3_session_backend*>(from.get_backend())->conn_;
    sqlite3_busy_timeout(raw, static_cast<int>(options.lock_timeout.count()));
    from << "VACUUM INTO :path", soci::use(draft);
  } catch (const soci::soci_error& x) {
    throw sqlite_error(x);
  }
  // A link, not a new name: that would take the place of a file that came meanwhile.
  if (::fsync(fd) != 0 || ::link(draft.c_str(), path.c_str()) != 0)
    throw cannot(errno);
  auto parent = std::filesystem::absolute(path).parent_path();
  auto dir = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto synced = dir >= 0 && ::fsync(dir) == 0;
  auto why = errno;
  if (dir >= 0)
    ::close(dir);
  if (!synced)
    throw cannot(why);
}

} // namespace troupe::store

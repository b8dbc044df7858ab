#include "runtime/store/database.hpp"

#include "runtime/store/connection.hpp"

#include <algorithm>
#include <random>
#include <thread>

namespace troupe::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// More than the program has statements: only a mistake (values inside a text) would reach it.
constexpr std::size_t most_statements = 500;

/// Pauses between attempts: 5 ms, doubling to 500 ms, each between half and all of it, so that
/// those who met do not meet again.
milliseconds pause_before(std::uint32_t attempt) {
  static thread_local std::minstd_rand dice{std::random_device{}()};
  auto longest = std::min<std::int64_t>(500, std::int64_t{5} << std::min(attempt, 7u));
  return milliseconds{std::uniform_int_distribution<std::int64_t>{longest / 2, longest}(dice)};
}

} // namespace

// -- connection -----------------------------------------------------------------------------------

void connection::begin(bool writing) {
  failed.reset();
  guarded([&] { own->take(writing ? step::begin_write : step::begin_read); });
}

void connection::commit() {
  guarded([&] { own->take(step::commit); });
}

void connection::undo() noexcept {
  try {
    if (!broken && own->in_transaction())
      own->take(step::rollback);
  } catch (const std::exception&) {
    broken = true; // What is in an unknown state is thrown away.
  }
  for (auto& sql : spoilt)
    prepared.erase(sql);
  spoilt.clear();
}

std::size_t connection::run(std::string_view sql, std::vector<parameter> parameters,
                            std::size_t width, const row_sink& sink) {
  if (failed)
    throw *failed; // The unit went on after a failure: the databases differ in what that does.
  if (trace)
    trace(sql, parameters);
  std::string text{sql};
  try {
    return guarded([&] {
      auto& found = prepared[text];
      if (!found || !found->fits(parameters, width)) {
        found.reset();
        found = std::make_unique<statement>(*session, text, parameters, width);
      }
      return found->run(std::move(parameters), sink);
    });
  } catch (const store_error& x) {
    spoilt.push_back(text);
    failed = x;
    throw;
  } catch (...) {
    spoilt.push_back(text);
    failed.emplace(fault::other, "a unit of work went on after one of its steps had failed");
    throw;
  }
}

std::size_t connection::insert(const std::string& sql, std::span<const borrowed> row) {
  if (failed)
    throw *failed;
  try {
    return guarded([&] { return own->insert(sql, row); });
  } catch (const store_error& x) {
    failed = x;
    throw;
  }
}

// -- unit -----------------------------------------------------------------------------------

std::size_t unit::run(std::string_view sql, std::vector<parameter> parameters, std::size_t width,
                      const row_sink& sink) {
  return on_.run(sql, std::move(parameters), width, sink);
}

backend unit::kind() const noexcept {
  return on_.kind;
}

bool unit::inserts_one_by_one() const noexcept {
  return on_.kind == backend::sqlite && !on_.trace;
}

std::size_t unit::insert(const std::string& sql, std::span<const borrowed> row) {
  return on_.insert(sql, row);
}

void unit::define(const std::string& sql) {
  on_.guarded([&] { *on_.session << sql; });
}

// -- database -----------------------------------------------------------------------------------

database::database(database_options options) : options_(std::move(options)) {
  // So that a wrong URI is found at once, and a server that is about to start is waited for.
  run(mode::read, [](unit&) {});
}

database::~database() = default;
database::database(database&&) noexcept = default;

connection& database::connected() {
  if (!connection_) {
    connection_ =
      options_.where.kind == backend::sqlite ? open_sqlite(options_) : open_postgresql(options_);
    connection_->trace = options_.trace;
  }
  return *connection_;
}

std::size_t database::log_pages() const noexcept {
  return connection_ ? connection_->own->log_pages() : 0;
}

void database::tidy_log() {
  connected().own->tidy_log();
}

void database::attempt(mode how, const work& what) {
  auto& on = connected();
  auto give_up = [&] {
    on.undo();
    if (on.broken)
      connection_.reset();
  };
  try {
    if (on.prepared.size() > most_statements)
      on.prepared.clear();
    on.begin(how == mode::write);
    unit u{on};
    what(u);
    if (on.failed)
      throw store_error(*on.failed); // Swallowed inside; nothing of the unit may stay.
  } catch (...) {
    give_up();
    throw;
  }
  try {
    on.commit();
  } catch (const store_error& x) {
    auto unknown = how == mode::write && x.kind() == fault::lost_connection;
    auto error = store_error(x.kind(), x.what(), unknown);
    give_up();
    if (how == mode::write)
      throw error;
  }
}

void database::run(mode how, const work& what) {
  auto until = steady_clock::now() + options_.patience;
  for (std::uint32_t i = 0;; ++i) {
    auto pause = pause_before(i);
    try {
      return attempt(how, what);
    } catch (const store_error& x) {
      if (!is_transient(x.kind()) || x.outcome_unknown() || steady_clock::now() + pause > until)
        throw;
    }
    std::this_thread::sleep_for(pause);
  }
}

} // namespace troupe::store

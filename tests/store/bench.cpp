// bench-store [--bots=N] [--days=N] [--uri=postgresql://…] [--keep]: makes a store of that size in
// the current directory (or fills an empty PostgreSQL database) and measures what the control plane
// asks of it. One JSON object on standard output, times in milliseconds.
#include "runtime/store/analytics.hpp"
#include "runtime/store/bots.hpp"
#include "runtime/store/health.hpp"
#include "runtime/store/idempotency.hpp"
#include "runtime/store/keys.hpp"
#include "runtime/store/migrations.hpp"

#include "tests/store/samples.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <random>

using namespace troupe::store;
using std::chrono::steady_clock;
using troupe::bot_id;

namespace {

struct settings {
  bot_id bots = 100'000;
  std::int64_t days = 90;
  std::string uri;
  bool keep = false; ///< The store is there already: measure what reads only.
};

/// Noon of day 20,000.
const wall_time now{std::chrono::hours{20'000 * 24 + 12}};

double ms_since(steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
}

template <class F>
double timed(F&& what) {
  auto begin = steady_clock::now();
  what();
  return ms_since(begin);
}

boost::json::object percentiles(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  auto at = [&](double p) {
    return ms[static_cast<std::size_t>(p * static_cast<double>(ms.size() - 1))];
  };
  return {{"p50", at(0.5)}, {"p99", at(0.99)}, {"max", ms.back()}};
}

/// What an ordinary bot does in an hour, or in a day.
usage sample_usage(int methods, int chats, bool day) {
  usage x;
  const char* names[] = {"sendMessage", "answerCallbackQuery", "editMessageText", "sendPhoto",
                         "getFile"};
  for (int i = 0; i < methods; ++i)
    x.methods[names[i]] = {120 + i, 1, 2, 0, 9'500'000};
  x.kinds = {{"message", 90}, {"callback_query", 31}, {"my_chat_member", 1}};
  for (int i = 0; i < chats; ++i)
    x.chats.emplace_back(7'000'000'000 - i * 12'345'678, 30 - i);
  for (std::size_t i = 0; day && i < 24; ++i)
    x.hours[i] = static_cast<std::int64_t>(100 + i);
  return x;
}

database_options options_of(const settings& s) {
  return {.where = locate(s.uri.empty() ? "sqlite:bench.db" : s.uri, "."),
          .statement_timeout = std::chrono::hours{1},
          .patience = std::chrono::minutes{1}};
}

/// Fills the tables as time does: hour after hour, each for all bots, so that a bot's rows lie as
/// far apart as they would. Without durability: this part is not measured.
void fill(const settings& s) {
  auto where = options_of(s).where;
  auto sqlite = where.kind == backend::sqlite;
  soci::session sql =
    sqlite ? soci::session{soci::sqlite3, where.name} : soci::session{soci::postgresql, where.name};
  if (sqlite)
    for (auto* pragma :
         {"PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-3000000"})
      sql << pragma;
  auto insert = [&](const char* table, std::int64_t time, const std::string& detail) {
    sql << "INSERT INTO " << table << " SELECT id, " << time
        << ", 480 + id % 100, 4, 8, 0, 38000000 + id, 122, '" << detail
        << "' FROM bots ORDER BY id";
  };
  auto hourly = encode_detail(sample_usage(4, 6, false));
  auto daily = encode_detail(sample_usage(5, 12, true));
  sql << "BEGIN";
  for (std::int64_t day = day_of(now) - s.days + 1; day <= day_of(now); ++day)
    insert("usage_days", day, daily);
  for (std::int64_t hour = (day_of(now) - 6) * 24; hour <= hour_of(now); ++hour)
    insert("usage_hours", hour, hourly);
  sql << "COMMIT";
  if (sqlite)
    sql << "PRAGMA journal_mode=WAL";
  else
    for (auto* table : {"usage_days", "usage_hours", "bots"})
      sql << "VACUUM ANALYZE " << table;
  std::cerr << "filled: a row of a day has " << daily.size() << " bytes of detail, of an hour "
            << hourly.size() << '\n';
}

/// Takes the store's file out of the page cache.
void cool_down(const settings& s) {
  if (!s.uri.empty())
    return;
  auto fd = ::open("bench.db", O_RDONLY);
  ::fsync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

boost::json::object measure_registrations(database& db, const settings& s) {
  boost::json::object out;
  constexpr bot_id alone = 500;
  constexpr bot_id together = 100;
  auto add = [](unit& u, bot_id id) { (void)add_bot(u, sample_bot(id), sample_token(id)); };
  bot_id id = 1;
  auto first = timed([&] {
    for (; id <= std::min(alone, s.bots); ++id)
      db.write([&](unit& u) { add(u, id); });
  });
  out["one_per_unit_per_s"] = static_cast<double>(id - 1) / first * 1000;
  auto before = id;
  auto rest = timed([&] {
    while (id <= s.bots)
      db.write([&](unit& u) {
        for (auto end = std::min(id + together, s.bots + 1); id < end; ++id)
          add(u, id);
      });
  });
  out["hundred_per_unit_per_s"] = static_cast<double>(id - before) / rest * 1000;
  return out;
}

boost::json::object measure_analytics(database& db, const settings& s) {
  std::mt19937_64 dice{1};
  std::vector<double> cold, warm;
  std::size_t days = 0;
  std::vector<bot_id> bots;
  for (int i = 0; i < 300; ++i)
    bots.push_back(1 + static_cast<bot_id>(dice() % static_cast<std::uint64_t>(s.bots)));
  auto ask = [&](bot_id bot) {
    db.read([&](unit& u) { days = usage_by_day(u, 1, bot, now, s.days).size(); });
  };
  ask(1);
  for (auto bot : bots)
    cold.push_back(timed([&] { ask(bot); }));
  for (auto bot : bots)
    warm.push_back(timed([&] { ask(bot); }));
  return {{"first_time_ms", percentiles(cold)}, {"again_ms", percentiles(warm)}, {"days", days}};
}

boost::json::object measure_lookups(database& db, const settings& s) {
  std::mt19937_64 dice{2};
  constexpr int times = 5000;
  auto any = [&] { return 1 + static_cast<bot_id>(dice() % static_cast<std::uint64_t>(s.bots)); };
  auto per_s = [](int n, double ms) { return n / ms * 1000; };
  boost::json::object out;
  out["bots_per_s"] = per_s(times, timed([&] {
                              for (int i = 0; i < times; ++i)
                                db.read([&](unit& u) { (void)find_bot(u, 1, any()); });
                            }));
  out["keys_per_s"] = per_s(times, timed([&] {
                              for (int i = 0; i < times; ++i)
                                db.read([&](unit& u) { (void)find_key(u, "hash"); });
                            }));
  std::vector<bot_id> ids;
  for (int i = 0; i < 10'000; ++i)
    ids.push_back(any());
  out["batch_of_10000_ms"] = timed([&] { db.read([&](unit& u) { (void)find_bots(u, 1, ids); }); });
  return out;
}

double measure_restart(database& db) {
  return timed([&] {
    bot_id after = 0;
    for (bool more = true; more;)
      db.read([&](unit& u) {
        auto some = load_bots(u, after, 5000);
        more = !some.empty();
        if (more)
          after = some.back().bot.id;
      });
    after = 0;
    for (bool more = true; more;)
      db.read([&](unit& u) {
        auto some = load_health(u, after, 5000);
        more = !some.empty();
        if (more)
          after = some.back().bot;
      });
  });
}

boost::json::object measure_upkeep(database& db, const settings& s) {
  boost::json::object out;
  std::vector<health_snapshot> health;
  std::vector<usage_sample> samples;
  for (bot_id id = 1; id <= s.bots; ++id) {
    health.push_back({.bot = id, .requests = id, .saved = now});
    samples.push_back({id, hour_of(now) + 1, sample_usage(4, 6, false)});
  }
  auto in_chunks = [&]<class T>(const std::vector<T>& all, auto how) {
    for (std::span<const T> left{all}; !left.empty();
         left = left.subspan(std::min<std::size_t>(500, left.size())))
      db.write([&](unit& u) { how(u, left.first(std::min<std::size_t>(500, left.size()))); });
  };
  // What a node writes before it ends, when every bot was used since the last time.
  auto flushed = timed([&] { in_chunks(health, save_health); });
  out["save_health_of_all_ms"] = flushed;
  out["add_an_hour_of_all_ms"] = timed([&] { in_chunks(samples, add_usage); });
  auto added = timed([&] { in_chunks(samples, add_usage); });
  out["add_to_that_hour_ms"] = added;
  out["flush_at_shutdown_ms"] = flushed + added;
  out["expire_a_day_of_all_ms"] = timed([&] {
    for (std::optional<bot_id> after = 0; after;)
      after = db.write(
        [&](unit& u) { return expire_usage(u, *after, 200, now + std::chrono::hours{24}); });
  });
  std::vector<double> requests;
  for (int i = 0; i < 300; ++i)
    requests.push_back(timed([&] {
      idempotency_key key{1, 1, std::to_string(i)};
      db.write([&](unit& u) {
        (void)begin_request(u, key, "body", "node", now, now + std::chrono::hours{24});
      });
      db.write([&](unit& u) { finish_request(u, key, "node", {200, "application/json", "{}"}); });
    }));
  out["idempotent_request_ms"] = percentiles(requests);
  return out;
}

} // namespace

int main(int argc, char** argv) {
  settings s;
  for (int i = 1; i < argc; ++i) {
    std::string arg{argv[i]};
    if (arg.starts_with("--bots="))
      s.bots = std::stoll(arg.substr(7));
    else if (arg.starts_with("--days="))
      s.days = std::stoll(arg.substr(7));
    else if (arg.starts_with("--uri="))
      s.uri = arg.substr(6);
    else if (arg == "--keep")
      s.keep = true;
    else {
      std::cerr << "usage: bench-store [--bots=N] [--days=N] [--uri=postgresql://…] [--keep]\n";
      return 2;
    }
  }
  boost::json::object out{
    {"store", s.uri.empty() ? "sqlite" : "postgresql"}, {"bots", s.bots}, {"days", s.days}};
  if (!s.keep) {
    database db{options_of(s)};
    migrate(db);
    out["registrations"] = measure_registrations(db, s);
  }
  if (!s.keep)
    out["fill_ms"] = timed([&] { fill(s); });
  cool_down(s);
  database db{options_of(s)};
  out["analytics"] = measure_analytics(db, s);
  out["lookups"] = measure_lookups(db, s);
  if (!s.keep)
    out["upkeep"] = measure_upkeep(db, s);
  out["restart_ms"] = measure_restart(db);
  if (s.uri.empty())
    out["bytes"] = db.read([](unit& u) {
      return *u.value<std::int64_t>("PRAGMA page_count")
             * *u.value<std::int64_t>("PRAGMA page_size");
    });
  std::cout << boost::json::serialize(out) << '\n';
}

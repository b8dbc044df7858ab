// How many updates the journal makes durable, as one JSON line: appends/s of 600-byte bodies for 1000
// bots through the actor, on SQLite in the current directory; with nobody who takes them, and with
// bots that fetch and end each. Beside it what the disk needs for one fdatasync: that bounds what few
// requests at once can reach. Usage: bench-journal [seconds=3] [--requests=N] [--uri=postgresql://…]

#include "actors/journal/journal.hpp"
#include "actors/store/sql_threads.hpp"
#include "messages/all_ids.hpp"
#include "runtime/store/migrations.hpp"
#include "runtime/system/config.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <thread>

using namespace troupe;
using namespace std::literals;
using steady = std::chrono::steady_clock;

namespace {

constexpr bot_id bots = 1000;

double seconds_since(steady::time_point begin) {
  return std::chrono::duration<double>(steady::now() - begin).count();
}

/// Of all threads, in seconds: other load on the machine does not count.
double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

/// An update of the size and form of a private message.
shared_text body_of(std::int64_t id) {
  static const std::string middle =
    ",\"message\":{\"message_id\":1365,\"from\":{\"id\":1111111,\"is_bot\":false,\"first_name\":"
    "\"Test Firstname\",\"last_name\":\"Test Lastname\",\"username\":\"Testusername\"},\"chat\":{"
    "\"id\":1111111,\"first_name\":\"Test Firstname\",\"last_name\":\"Test Lastname\",\"username\":"
    "\"Testusername\",\"type\":\"private\"},\"date\":1441645532,\"text\":\"";
  std::string text = "{\"update_id\":" + std::to_string(id) + middle;
  text.append(600 - text.size() - 3, 'x');
  return shared_text{text + "\"}}"};
}

struct percentiles {
  double p50 = 0;
  double p99 = 0;
};

percentiles of(std::vector<double>& ms) {
  if (ms.empty())
    return {};
  std::ranges::sort(ms);
  return {ms[ms.size() / 2], ms[ms.size() * 99 / 100]};
}

/// One page written and synchronised, again and again.
percentiles disk_sync(const std::string& dir) {
  auto path = dir + "/sync";
  auto fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  std::vector<double> ms;
  std::string page(4096, 'x');
  for (int i = 0; i < 200; ++i) {
    auto begin = steady::now();
    if (::pwrite(fd, page.data(), page.size(), i % 64 * 4096) != 4096 || ::fdatasync(fd) != 0)
      std::abort();
    ms.push_back(seconds_since(begin) * 1000);
  }
  ::close(fd);
  return of(ms);
}

/// Of all runs: they may share a database.
std::atomic<std::int64_t> next_id{1'000'000};

struct load {
  journal_actor journal;
  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<bool> over{false};
};

/// Always has one request under way.
struct requester {
  std::vector<double> ms;

  void ask(caf::event_based_actor* self, const std::shared_ptr<load>& l) {
    update_append x;
    auto& one = x.updates.emplace_back();
    one.id = next_id.fetch_add(1, std::memory_order_relaxed);
    x.bot = 5'000'000'000 + static_cast<bot_id>(static_cast<std::uint64_t>(one.id) * 2654435761u % bots);
    one.kind = 0;
    one.key = {0, 1111111};
    one.body = body_of(one.id);
    auto begin = steady::now();
    self->request(l->journal, caf::infinite, std::move(x))
      .then(
        [this, self, l, begin](const append_result&) {
          l->stored.fetch_add(1, std::memory_order_relaxed);
          ms.push_back(seconds_since(begin) * 1000);
          again(self, l);
        },
        [this, self, l](const caf::error&) {
          ++l->failed;
          again(self, l);
        });
  }
  void again(caf::event_based_actor* self, const std::shared_ptr<load>& l) {
    if (l->over)
      self->quit();
    else
      ask(self, l);
  }
};

/// A bot that ends what it is told of.
struct consumer {
  std::int64_t after = 0;
  bool busy = false;
  bool more = false;

  void fetch(caf::event_based_actor* self, const journal_actor& journal, bot_id bot) {
    if (std::exchange(busy, true)) {
      more = true;
      return;
    }
    update_fetch x;
    x.bot = bot;
    x.after = after;
    self->request(journal, caf::infinite, x)
      .then(
        [this, self, journal, bot](const update_page& page) {
          busy = false;
          if (!page.updates.empty()) {
            update_ends ends{bot, {}};
            for (auto& one : page.updates)
              ends.ends.push_back({one.seq, update_verdict::delivered, 1, {}});
            after = page.updates.back().seq;
            more = more || page.pending > page.updates.size();
            self->request(journal, caf::infinite, std::move(ends)).then([] {}, [](caf::error&) {});
          }
          if (std::exchange(more, false))
            fetch(self, journal, bot);
        },
        [this](const caf::error&) { busy = false; });
  }
};

struct speed {
  double per_second = 0;
  double cpu_us = 0; ///< Per update, over all threads, the requesters' included.
  percentiles latency;
  double updates_per_commit = 0;
  std::uint64_t failed = 0;
  std::uint64_t left = 0; ///< That wait at the end.
};

speed run(caf::actor_system& sys, const store::location& where, double seconds, int requests,
          bool consumed) {
  store::database_options database{.where = where};
  {
    store::database db{database};
    store::migrate(db);
  }
  auto sql = storage::make_sql_threads({.database = database});
  journal_config config;
  config.max_pending = 10'000'000;
  journal_ports ports;
  ports.sql = sql;
  auto l = std::make_shared<load>();
  l->journal = spawn_journal(sys, config, std::move(ports));
  std::vector<caf::actor> consumers;
  for (bot_id i = 0; consumed && i < bots; ++i)
    consumers.push_back(sys.spawn(
      [journal = l->journal, bot = 5'000'000'000 + i](caf::event_based_actor* self) -> caf::behavior {
        auto state = std::make_shared<consumer>();
        self->request(journal, caf::infinite, journal_attach{bot})
          .then([](const pending_count&) {}, [](caf::error&) {});
        return {[=](const updates_ready&) { state->fetch(self, journal, bot); }};
      }));
  std::vector<std::shared_ptr<requester>> all;
  std::vector<caf::actor> asking;
  for (int i = 0; i < requests; ++i) {
    auto& state = all.emplace_back(std::make_shared<requester>());
    asking.push_back(sys.spawn([state, l](caf::event_based_actor* self) { state->ask(self, l); }));
  }
  // Caches fill, connections open.
  for (auto end = steady::now() + 10s; l->stored.load() < 5000 && steady::now() < end;)
    std::this_thread::yield();
  auto before = l->stored.load();
  auto commits = sql->commits();
  auto begin = steady::now();
  auto cpu = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  auto n = static_cast<double>(l->stored.load() - before);
  speed result;
  result.per_second = n / seconds_since(begin);
  result.cpu_us = 1e6 * (cpu_seconds() - cpu) / n;
  result.updates_per_commit = n / static_cast<double>(sql->commits() - commits);
  l->over = true;
  caf::scoped_actor self{sys};
  self->wait_for(asking);
  std::vector<double> ms;
  for (auto& one : all)
    ms.insert(ms.end(), one->ms.begin(), one->ms.end());
  result.latency = of(ms);
  result.failed = l->failed;
  self->request(l->journal, caf::infinite, get_report{})
    .receive([&](const journal_report& x) { result.left = x.pending; }, [](caf::error&) {});
  for (auto& one : consumers)
    caf::anon_send_exit(one, caf::exit_reason::kill);
  self->monitor(l->journal);
  caf::anon_send_exit(l->journal, caf::exit_reason::user_shutdown);
  self->receive([](const caf::down_msg&) {});
  return result;
}

void print(const char* name, const speed& x) {
  std::printf("\"%s_per_second\":%.0f,\"%s_cpu_us\":%.1f,\"%s_p50_ms\":%.2f,\"%s_p99_ms\":%.2f,"
              "\"%s_per_commit\":%.0f,\"%s_failed\":%llu,\"%s_left\":%llu,",
              name, x.per_second, name, x.cpu_us, name, x.latency.p50, name, x.latency.p99, name,
              x.updates_per_commit, name, static_cast<unsigned long long>(x.failed), name,
              static_cast<unsigned long long>(x.left));
}

} // namespace

int main(int argc, char** argv) {
  double seconds = 3;
  int requests = 512;
  std::string uri;
  for (int i = 1; i < argc; ++i)
    if (std::string_view x{argv[i]}; x.starts_with("--requests="))
      requests = std::atoi(argv[i] + std::strlen("--requests="));
    else if (x.starts_with("--uri="))
      uri = x.substr(6);
    else
      seconds = std::atof(argv[i]);
  init_message_types();
  system::config cfg{1};
  caf::actor_system sys{cfg};
  std::string dir = "bench-journal-XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr)
    return 1;
  auto disk = disk_sync(dir);
  auto where = [&](const char* name) {
    return store::locate(uri.empty() ? "sqlite:" + dir + '/' + name : uri, ".");
  };
  auto few = run(sys, where("few.db"), seconds, 64, false);
  auto many = run(sys, where("many.db"), seconds, requests, false);
  auto ended = run(sys, where("ended.db"), seconds, requests, true);
  std::filesystem::remove_all(dir);
  std::printf("{");
  print("appends_64_at_once", few);
  print("appends", many);
  print("appends_and_ends", ended);
  std::printf("\"requests_at_once\":%d,\"disk_sync_p50_ms\":%.2f,\"disk_sync_p99_ms\":%.2f}\n",
              requests, disk.p50, disk.p99);
}

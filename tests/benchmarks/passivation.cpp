// Real bots leave memory and come back, and prints one JSON line: what one occupies before and
// after, how long it takes to come back, and how often the orders find whom they need.
// Usage: bench-passivation [bots=100000] [shards=2] [threads=2]

#include "runtime/policy/passivation.hpp"
#include "actors/bot/bot.hpp"
#include "actors/bots/bots.hpp"
#include "messages/all_ids.hpp"
#include "messages/updates.hpp"
#include "runtime/log/capture.hpp"
#include "runtime/system/config.hpp"
#include "tests/benchmarks/measure.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <thread>

using namespace troupe;
using namespace troupe::benchmarks;
using namespace std::literals;

namespace {

/// What is allocated and not freed, whatever pages it keeps.
std::size_t allocated_bytes() {
  auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

struct node {
  caf::actor_system& sys;
  std::size_t bots;
  std::shared_ptr<services> found;
  std::shared_ptr<directory> names = std::make_shared<directory>();
  siphash_key key = random_siphash_key();
  supervisor_actor top;

  node(caf::actor_system& sys, std::size_t bots, std::size_t shards)
    : sys(sys), bots(bots), found(std::make_shared<services>(shards)) {
    bots_config config;
    config.passivation.policy = passivation_kind::lru;
    config.spawn = [found = found, shared = std::make_shared<const live_bot_config>()](
                     caf::actor_system& sys, const start_bot& spec, std::uint32_t incarnation) {
      return spawn_bot(sys, spec, incarnation, found, shared);
    };
    supervisor_spec spec;
    spec.name = "troupe.shards";
    for (std::size_t shard = 0; shard < shards; ++shard)
      spec.children.push_back(supervise_bots(shard, config, names, found));
    top = spawn_supervisor(sys, std::move(spec));
    while (!std::ranges::all_of(found->bots, [](auto& slot) { return bool{slot.get()}; }))
      std::this_thread::yield();
  }

  ~node() {
    caf::scoped_actor self{sys};
    self->monitor(top);
    self->send_exit(top, caf::exit_reason::user_shutdown);
    self->receive([](const caf::down_msg&) {});
    for (auto& one : found->bots)
      one.publish({});
  }

  static bot_id id(std::size_t i) { return static_cast<bot_id>(100'000'000 + i); }

  std::size_t in(bot_phase x) const { return names->by_phase()[static_cast<std::size_t>(x)]; }

  void limit(std::size_t most) {
    for (auto& shard : found->bots)
      caf::anon_send(shard.get(), passivation_limits{passivation_kind::lru, most, 0s, {}});
  }

  void until(bot_phase phase, std::size_t n) const {
    for (auto begin = bench_clock::now(); in(phase) < n; std::this_thread::sleep_for(1ms))
      if (since(begin) > 120) {
        std::fprintf(stderr, "only %zu of %zu bots are %s\n", in(phase), n,
                     to_string(phase).c_str());
        std::exit(1);
      }
  }

  void start(bool needed, std::size_t from = 0) {
    for (std::size_t i = from; i < bots; ++i) {
      auto token = token_hash(key, std::to_string(id(i)) + ":AAAAAAAAAAAAAAAA");
      names->put(token, id(i), 1, true, bench_clock::now());
      start_bot spec;
      spec.bot = id(i);
      spec.token_hash = token.key;
      spec.needed = needed;
      caf::anon_send(found->bots_of(spec.bot), spec);
    }
  }

  /// All run, and have state.
  void start_all() {
    start(true);
    until(bot_phase::active, bots);
    caf::scoped_actor self{sys};
    for (std::size_t i = 0; i < bots; ++i)
      self->request(names->find(id(i))->actor, 5s, get_report{})
        .receive([](const bot_report&) {}, [](const caf::error&) { std::abort(); });
  }

  /// Uses every bot from this one on once, in an order of chance. @returns seconds until each had
  /// answered a message, of those that were not in memory, sorted
  std::vector<double> walk(std::size_t from = 0) {
    std::vector<std::size_t> all(bots - from);
    std::iota(all.begin(), all.end(), from);
    std::ranges::shuffle(all, std::mt19937_64{7});
    std::vector<double> result;
    caf::scoped_actor self{sys};
    for (auto i : all) {
      auto known = names->find(id(i));
      auto actor = known->actor;
      auto begin = bench_clock::now();
      if (!actor)
        self->request(found->bots_of(id(i)), 5s, activate_bot{id(i), false})
          .receive([&](const caf::strong_actor_ptr& x) { actor = caf::actor_cast<bot_actor>(x); },
                   [](const caf::error&) { std::abort(); });
      caf::anon_send(actor, updates_ready{id(i)}); // A use.
      self->request(actor, 5s, get_report{})
        .receive([](const bot_report&) {}, [](const caf::error&) {});
      if (!known->actor)
        result.push_back(since(begin));
    }
    std::ranges::sort(result);
    return result;
  }
};

/// Uses after Zipf's law, and walks over members that are used once. @returns how often the member
/// was in memory, of the uses after Zipf
double hit_ratio(passivation_order::order& who, std::size_t most) {
  constexpr std::size_t members = 10'000;
  std::vector<double> up_to(members);
  double sum = 0;
  for (std::size_t i = 0; i < members; ++i)
    up_to[i] = sum += std::pow(static_cast<double>(i + 1), -0.9);
  std::mt19937_64 random{11};
  std::uniform_real_distribution<double> anywhere{0, sum};
  std::size_t hits = 0, uses = 0;
  auto use = [&](passivation_order::member x) {
    if (who.contains(x)) {
      who.used(x, 1, {});
      return true;
    }
    while (who.size() >= most)
      who.remove(*who.next());
    who.add(x, {});
    return false;
  };
  passivation_order::member stranger = members;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 10'000; ++i, ++uses)
      hits += use(static_cast<passivation_order::member>(
                std::ranges::lower_bound(up_to, anywhere(random)) - up_to.begin()))
                ? 1
                : 0;
    for (int i = 0; i < 3000; ++i)
      use(stranger++);
  }
  return static_cast<double>(hits) / static_cast<double>(uses);
}

std::size_t argument(int argc, char** argv, int i, std::size_t otherwise) {
  return argc > i ? std::strtoul(argv[i], nullptr, 10) : otherwise;
}

} // namespace

/// Bytes that a bot in memory occupies, and bots that leave it per second.
struct active_figures {
  double bytes = 0;
  double leaving = 0;
};

active_figures measure_active(std::size_t bots, std::size_t shards, std::size_t threads) {
  system::config cfg{threads};
  caf::actor_system sys{cfg};
  auto before = resident_bytes();
  node bench{sys, bots, shards};
  bench.start_all();
  active_figures result;
  result.bytes = static_cast<double>(resident_bytes() - before) / static_cast<double>(bots);
  std::this_thread::sleep_for(1s); // So long it waits for whoever it was started for.
  auto begin = bench_clock::now();
  bench.limit(1);
  bench.until(bot_phase::passive, bots - shards);
  result.leaving = static_cast<double>(bots) / since(begin);
  return result;
}

/// The same in a process of its own: pages that it leaves behind would be taken for free later.
/// @pre this process has one thread
active_figures measure_active_apart(std::size_t bots, std::size_t shards, std::size_t threads) {
  int ends[2];
  active_figures result;
  if (::pipe(ends) != 0)
    std::abort();
  auto child = ::fork();
  if (child == 0) {
    result = measure_active(bots, shards, threads);
    ::_exit(::write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
  }
  ::close(ends[1]);
  if (child < 0 || ::read(ends[0], &result, sizeof result) != sizeof result)
    std::abort();
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return result;
}

int main(int argc, char** argv) {
  init_message_types();
  log::capture quiet{log::level::error};
  auto bots = argument(argc, argv, 1, 100'000);
  auto shards = argument(argc, argv, 2, 2);
  auto threads = argument(argc, argv, 3, 2);
  auto [active, leaving] =
    measure_active_apart(std::min<std::size_t>(bots, 20'000), shards, threads);
  system::config cfg{threads};
  caf::actor_system sys{cfg};
  auto first = bots / 4; // They pay for what a node has once.
  node bench{sys, first, shards};
  auto use_and_evict = [&](std::size_t from) {
    bench.limit(1000);
    bench.start(false, from);
    auto result = bench.walk(from);
    bench.limit(1);
    bench.until(bot_phase::passive, bench.bots - shards);
    return result;
  };
  use_and_evict(0);
  auto allocated = allocated_bytes();
  auto before = resident_bytes();
  bench.bots = bots;
  auto back = use_and_evict(first);
  auto n = static_cast<double>(bots - first);
  auto kept = static_cast<double>(allocated_bytes() - allocated) / n;
  auto evicted = static_cast<double>(resident_bytes()) - static_cast<double>(before);
  constexpr std::size_t most = 1000;
  passivation_order::idle idle;
  passivation_order::lru lru;
  passivation_order::slru slru{most};
  std::printf("{\"benchmark\":\"passivation\",\"bots\":%zu,\"bytes_per_bot_in_memory\":%.0f,"
              "\"bytes_per_evicted_bot\":%.0f,\"resident_bytes_per_evicted_bot\":%.0f,\"directory_"
              "bytes_per_bot\":%.0f,"
              "\"evictions_per_second\":%.0f,\"back_us_p50\":%.1f,\"back_us_p99\":%.1f,"
              "\"hits_idle\":%.3f,\"hits_lru\":%.3f,\"hits_slru\":%.3f}\n",
              bots, active, kept, evicted / n,
              static_cast<double>(bench.names->bytes()) / static_cast<double>(bots), leaving,
              back[back.size() / 2] * 1e6, back[back.size() * 99 / 100] * 1e6,
              hit_ratio(idle, most), hit_ratio(lru, most), hit_ratio(slru, most));
  if (active > active_bot_bytes) {
    std::fprintf(stderr, "a bot in memory takes more than bot.max-active-memory reckons with\n");
    return 1;
  }
}

// Starts 100,000 real bots through the real shard supervisors, and prints one JSON line: how long
// that took, what an idle one occupies, how fast one comes back after a crash, how fast all stop.
// Usage: bench-bots [bots=100000] [shards=2] [threads=2]

#include "actors/bots/bots.hpp"
#include "actors/bot/bot.hpp"
#include "messages/all_ids.hpp"
#include "runtime/log/capture.hpp"
#include "runtime/system/config.hpp"
#include "tests/benchmarks/measure.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

using namespace troupe;
using namespace troupe::benchmarks;
using namespace std::literals;

namespace {

struct node {
  caf::actor_system& sys;
  std::size_t bots;
  std::shared_ptr<services> found;
  std::shared_ptr<directory> names = std::make_shared<directory>();
  siphash_key key = random_siphash_key();
  supervisor_actor top;
  std::vector<token_digest> tokens;

  node(caf::actor_system& sys, std::size_t bots, std::size_t shards)
    : sys(sys), bots(bots), found(std::make_shared<services>(shards)) {
    bots_config config;
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
    for (std::size_t i = 0; i < bots; ++i)
      tokens.push_back(token_hash(key, std::to_string(100'000'000 + i) + ":AAAAAAAAAAAAAAAA"));
  }

  static bot_id id(std::size_t i) { return static_cast<bot_id>(100'000'000 + i); }

  std::size_t active() const {
    return names->by_phase()[static_cast<std::size_t>(bot_phase::active)];
  }

  double start_all() {
    auto begin = bench_clock::now();
    for (std::size_t i = 0; i < bots; ++i) {
      names->put(tokens[i], id(i), 1, true, begin);
      start_bot spec;
      spec.bot = id(i);
      spec.token_hash = tokens[i].key;
      caf::anon_send(found->bots_of(spec.bot), spec);
    }
    caf::scoped_actor self{sys}; // A shard answers after what it was sent before.
    for (auto& shard : found->bots)
      self->request(shard.get(), 60s, get_report{})
        .receive([](const supervision_report&) {}, [](const caf::error&) { std::abort(); });
    auto took = since(begin);
    if (active() < bots)
      std::abort();
    return took;
  }

  /// Seconds until every bot has answered a first message: only then its state exists.
  double wake_all() {
    caf::scoped_actor self{sys};
    auto begin = bench_clock::now();
    for (std::size_t i = 0; i < bots; ++i)
      self->request(names->find(tokens[i], begin)->actor, 5s, get_report{})
        .receive([](const bot_report&) {}, [](const caf::error&) { std::abort(); });
    return since(begin);
  }

  /// Seconds from a bot's kill until its successor answered a message, sorted.
  std::vector<double> crashes(std::size_t n) {
    std::vector<double> result;
    caf::scoped_actor self{sys};
    for (std::size_t i = 0; i < n; ++i) {
      auto which = i * (bots / n);
      auto victim = names->find(tokens[which], bench_clock::now())->actor;
      auto begin = bench_clock::now();
      kill_now(caf::actor_cast<caf::strong_actor_ptr>(victim));
      for (bool answered = false; !answered; std::this_thread::yield()) {
        auto actor = names->find(tokens[which], bench_clock::now())->actor;
        if (!actor || actor == victim)
          continue;
        self->request(actor, 5s, get_report{})
          .receive([&](const bot_report&) { answered = true; }, [](const caf::error&) {});
      }
      result.push_back(since(begin));
    }
    std::ranges::sort(result);
    return result;
  }

  /// Seconds per lookup of a token, hash included; over `range` bots.
  double lookup(std::size_t range) const {
    constexpr std::size_t rounds = 1'000'000;
    std::size_t hits = 0;
    auto begin = bench_clock::now();
    for (std::size_t i = 0; i < rounds; ++i) {
      auto token = token_hash(key, "100012345:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
      hits += token.key != 0 && names->find(tokens[i * 7919 % range], begin) ? 1 : 0;
    }
    return hits == rounds ? since(begin) / rounds : -1;
  }

  double slot() const {
    constexpr std::size_t rounds = 1'000'000;
    std::size_t hits = 0;
    auto begin = bench_clock::now();
    for (std::size_t i = 0; i < rounds; ++i)
      hits += found->bots[0].get() ? 1 : 0;
    return hits == rounds ? since(begin) / rounds : -1;
  }

  double stop_all() {
    caf::scoped_actor self{sys};
    auto begin = bench_clock::now();
    self->monitor(top);
    self->send_exit(top, caf::exit_reason::user_shutdown);
    self->receive([](const caf::down_msg&) {});
    auto result = since(begin);
    top = nullptr;
    for (auto& one : found->bots)
      one.publish({});
    return result;
  }
};

std::size_t argument(int argc, char** argv, int i, std::size_t otherwise) {
  return argc > i ? std::strtoul(argv[i], nullptr, 10) : otherwise;
}

} // namespace

int main(int argc, char** argv) {
  init_message_types();
  log::capture quiet{log::level::error};
  auto threads = argument(argc, argv, 3, 2);
  system::config cfg{threads};
  caf::actor_system sys{cfg};
  auto bots = argument(argc, argv, 1, 100'000);
  node bench{sys, bots, argument(argc, argv, 2, 2)};
  auto before = resident_bytes();
  auto start = bench.start_all();
  auto woken = bench.wake_all();
  auto per_bot = static_cast<double>(resident_bytes() - before) / static_cast<double>(bots);
  auto hot = bench.lookup(16), lookup = bench.lookup(bots), slot = bench.slot();
  auto crashes = bench.crashes(std::min<std::size_t>(bots, 1000));
  auto stop = bench.stop_all();
  std::printf(
    "{\"benchmark\":\"bots\",\"bots\":%zu,\"shards\":%zu,\"threads\":%zu,"
    "\"start_seconds\":%.3f,\"first_answers_seconds\":%.3f,\"resident_bytes_per_idle_bot\":%.0f,"
    "\"directory_bytes_per_bot\":%.0f,\"lookup_ns\":%.0f,\"lookup_hot_ns\":%.0f,\"slot_ns\":%.1f,"
    "\"crash_to_answer_us_p50\":%.1f,\"crash_to_answer_us_p99\":%.1f,"
    "\"stop_seconds\":%.3f}\n",
    bots, bench.found->bots.size(), threads, start, woken, per_bot,
    static_cast<double>(bench.names->bytes()) / static_cast<double>(bots), lookup * 1e9, hot * 1e9,
    slot * 1e9, crashes[crashes.size() / 2] * 1e6, crashes[crashes.size() * 99 / 100] * 1e6, stop);
}

#define CAF_SUITE recorder
#include "actors/health/health.hpp"
#include "actors/recorder/recorder.hpp"

#include <caf/all.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <algorithm>

namespace troupe::recorder_suite {

using namespace std::literals;

namespace {

constexpr wall_ms noon = 1'700'000'000'000;

/// Stands for the store: keeps health and usage, refuses the rest.
struct shelf {
  std::map<bot_id, health_row> health;
  std::vector<usage_delta> usage;
  store_refusal refusal = store_refusal::none;
  std::size_t requests = 0;
  std::vector<shard_hold> holds; ///< Of the health that was saved last.
};

caf::behavior keep(caf::event_based_actor* self, std::shared_ptr<shelf> on) {
  self->set_default_handler(caf::drop);
  auto refused = [on]() -> std::optional<caf::error> {
    ++on->requests;
    if (on->refusal == store_refusal::none)
      return std::nullopt;
    return caf::make_error(on->refusal);
  };
  return {
    [=](const health_save& x) -> caf::result<done> {
      if (auto why = refused())
        return *why;
      for (const auto& row : x.rows)
        on->health[row.bot] = row;
      on->holds = x.holds;
      return done{};
    },
    [=](const health_load& x) -> caf::result<page<health_row>> {
      if (auto why = refused())
        return *why;
      page<health_row> result;
      for (auto at = on->health.upper_bound(x.after); at != on->health.end(); ++at) {
        if (!x.shards.empty() && std::ranges::count(x.shards, shard_of(at->first)) == 0)
          continue;
        if (result.rows.size() == x.limit) {
          result.more = true;
          break;
        }
        result.rows.push_back(at->second);
      }
      return result;
    },
    [=](const usage_add& x) -> caf::result<done> {
      if (auto why = refused())
        return *why;
      on->usage.insert(on->usage.end(), x.deltas.begin(), x.deltas.end());
      return done{};
    },
  };
}

struct fixture : test_coordinator_fixture<> {
  std::shared_ptr<shelf> on = std::make_shared<shelf>();
  std::shared_ptr<usage_book> book = std::make_shared<usage_book>();
  caf::actor store = sys.spawn(keep, on);
  std::shared_ptr<cluster_view> view; ///< Null: no cluster.
  health_actor health;
  recorder_actor recorder;
  recorder_config config;

  void open() {
    health = spawn_health(sys, {}, {});
    recorder_ports ports;
    ports.store = [this] { return caf::actor_cast<store_actor>(store); };
    ports.health = [this] { return health; };
    ports.usage = book;
    ports.cluster = view;
    recorder = spawn_recorder(sys, config, std::move(ports));
    sched.run();
  }
  /// Ends without a word.
  void kill() {
    for (auto one : {caf::actor_cast<caf::actor>(recorder), caf::actor_cast<caf::actor>(health)})
      if (one)
        caf::anon_send_exit(one, caf::exit_reason::kill);
    sched.run();
  }
  ~fixture() override {
    kill();
    caf::anon_send_exit(store, caf::exit_reason::kill);
    sched.run();
  }

  void fail(bot_id bot, int times) {
    outcome_batch batch{bot, true, {}};
    for (int i = 0; i < times; ++i) {
      outcome_sample x;
      x.finished = sched.clock().now().time_since_epoch().count();
      x.latency = 100ms;
      x.what = failure::timeout;
      batch.samples.push_back(x);
    }
    caf::anon_send(health, std::move(batch));
    sched.run();
  }
  void answer(bot_id bot) {
    outcome_sample x;
    x.finished = sched.clock().now().time_since_epoch().count();
    x.latency = 250ms;
    x.status = 200;
    caf::anon_send(health, outcome_batch{bot, true, {x}});
    sched.run();
  }
  bot_health of(bot_id bot) {
    bot_health result;
    auto pending = self->request(health, caf::infinite, bot_health_request{bot});
    sched.run();
    pending.receive([&](bot_health& x) { result = x; }, [](caf::error&) {});
    return result;
  }
  /// The bot's shard is the node's, under this revision, or (0) not any more.
  void own(bot_id bot, std::int64_t revision) { view->set_fence(shard_of(bot), revision); }
  void gain(bot_id bot, std::int64_t revision) {
    own(bot, revision);
    tell(shards_gained{{{shard_of(bot), revision}}});
  }
  template <class T>
  void tell(T what) {
    auto pending = self->request(recorder, caf::infinite, std::move(what));
    sched.run();
    pending.receive([](done) {}, [](const caf::error& e) { FAIL(e); });
  }
  void pass(caf::timespan time) {
    advance_time(time);
    sched.run();
  }
  usage_delta stored(bot_id bot) {
    auto at = std::ranges::find(on->usage, bot, &usage_delta::bot);
    return at == on->usage.end() ? usage_delta{} : *at;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("health is stored every five minutes, and given back at the next start") {
  open();
  answer(7);
  fail(7, 2);
  fail(8, 5);
  CHECK(of(8).breaker == breaker_state::open);
  CHECK(on->health.empty());
  pass(300s);
  CHECK_EQ(on->health.size(), 2u);
  fail(8, 5); // Opens anew, so that it is open at the end.
  pass(300s);
  kill();
  open();
  auto back = of(7);
  CHECK_EQ(back.requests, 3u);
  CHECK_EQ(back.failures, 2u);
  CHECK_EQ(back.consecutive_failures, 2u);
  CHECK(back.latency_ewma > 0.24);
  CHECK(back.latency_ewma < 0.26);
  CHECK(back.since_success >= caf::timespan{0});
}

SCENARIO("an open breaker is still open after a restart, for what was left of its time") {
  open();
  fail(8, 5);
  auto pending = self->request(recorder, caf::infinite, caf::ok_atom_v);
  sched.run();
  pending.receive([](done) {}, [](const caf::error& e) { FAIL(e); });
  CHECK(on->health.at(8).breaker == breaker_state::open);
  kill();
  open();
  CHECK(of(8).breaker == breaker_state::open);
  CHECK(of(8).breaker_opens_in <= caf::timespan{60s});
  CHECK(of(8).breaker_opens_in > caf::timespan{50s});
  pass(61s);
  CHECK(of(8).breaker == breaker_state::half_open);
}

SCENARIO("what health has heard itself is newer than what is stored") {
  on->health[7].bot = 7;
  on->health[7].requests = 1000;
  on->refusal = store_refusal::unavailable;
  open();
  answer(7);
  on->refusal = store_refusal::none;
  pass(1s); // Asked again.
  CHECK_EQ(of(7).requests, 1u);
}

SCENARIO("a health that died gets back what was stored last") {
  open();
  answer(7);
  pass(300s);
  caf::anon_send_exit(health, caf::exit_reason::kill);
  sched.run();
  health = spawn_health(sys, {}, {});
  pass(60s);
  CHECK_EQ(of(7).requests, 1u);
}

SCENARIO("health of a shard's bots comes with it, is stored when it goes, and forgotten") {
  view = std::make_shared<cluster_view>();
  config.rows = 1;
  bot_id other = 8;
  while (shard_of(other) == shard_of(7))
    ++other;
  for (bot_id bot : {bot_id{7}, other}) {
    on->health[bot].bot = bot;
    on->health[bot].requests = 1000;
    on->health[bot].breaker = breaker_state::open;
    on->health[bot].breaker_until = wall_now() + 60'000;
  }
  open();
  CHECK_EQ(on->requests, 0u); // Nothing is the node's yet.
  gain(7, 5);
  CHECK(of(7).breaker == breaker_state::open);
  CHECK_EQ(of(7).requests, 1000u);
  CHECK_EQ(of(other).requests, 0u);
  gain(other, 6);
  answer(7);
  answer(other);
  tell(shards_lost{{shard_of(7)}, true});
  CHECK_EQ(on->health[7].requests, 1001u);
  REQUIRE_EQ(on->holds.size(), 1u);
  CHECK(on->holds[0].shard == shard_of(7) && on->holds[0].revision == 5);
  own(7, 0);
  CHECK_EQ(of(7).requests, 0u);
  CHECK_EQ(of(other).requests, 1001u);
  own(other, 0); // The lease is over: nothing is written any more.
  tell(shards_lost{{shard_of(other)}, false});
  CHECK_EQ(on->health[other].requests, 1000u);
  CHECK_EQ(of(other).requests, 0u);
  answer(other); // Its last word came late.
  tell(caf::ok_atom_v);
  CHECK_EQ(on->health[other].requests, 1000u);
}

SCENARIO("a store that is away holds up no shard; what is stored comes later") {
  view = std::make_shared<cluster_view>();
  on->health[7].bot = 7;
  on->health[7].requests = 1000;
  open();
  on->refusal = store_refusal::unavailable;
  gain(7, 5);
  CHECK_EQ(of(7).requests, 0u);
  on->refusal = store_refusal::none;
  pass(1s);
  CHECK_EQ(of(7).requests, 1000u);
  tell(shards_lost{{shard_of(7)}, true});
  own(7, 0);
  on->refusal = store_refusal::unavailable;
  gain(7, 6);
  own(7, 0); // It went on before the store was back.
  on->refusal = store_refusal::none;
  pass(1s);
  CHECK_EQ(of(7).requests, 0u);
}

SCENARIO("a health that died gets back what is stored of the node's own bots") {
  view = std::make_shared<cluster_view>();
  open();
  gain(7, 5);
  answer(7);
  on->health[9].bot = 9;
  on->health[9].requests = 1000;
  REQUIRE(shard_of(9) != shard_of(7));
  tell(caf::ok_atom_v);
  caf::anon_send_exit(health, caf::exit_reason::kill);
  sched.run();
  health = spawn_health(sys, {}, {});
  pass(60s);
  CHECK_EQ(of(7).requests, 1u);
  CHECK_EQ(of(9).requests, 0u);
}

SCENARIO("calls are counted by bot, hour and method, and stored every minute") {
  open();
  book->count(7, "sendMessage", "ok", 0.5, 42, noon);
  book->count(7, "sendMessage", "rate_limited", 0.1, 42, noon);
  book->count(7, "getMe", "server_error", 0.1, 0, noon);
  book->count(7, "", "timeout", 0.1, 0, noon);
  book->count(7, "getMe", "queue_full", 0.1, 0, noon); // Never reached the Bot API.
  book->count(7, "getMe", "ok", 0.1, 0, noon + 3'600'000);
  pass(60s);
  REQUIRE_EQ(on->usage.size(), 2u);
  auto first = stored(7).hour;
  CHECK_EQ(first.at, noon / 3'600'000);
  CHECK_EQ(first.calls.requests, 4);
  CHECK_EQ(first.calls.failures, 2);
  CHECK_EQ(first.calls.rate_limited, 1);
  CHECK_EQ(first.calls.latency_us, 800'000);
  CHECK_EQ(first.methods.size(), 3u);
  CHECK_EQ(first.chats, (std::vector<std::pair<std::int64_t, std::int64_t>>{{42, 2}}));
  on->usage.clear();
  pass(60s);
  CHECK(on->usage.empty());
}

SCENARIO("counts wait for a store that is away, and are given up when nobody knows") {
  open();
  book->count(7, "getMe", "ok", 0.1, 0, noon);
  on->refusal = store_refusal::unavailable;
  pass(60s);
  book->count(7, "getMe", "ok", 0.1, 0, noon);
  on->refusal = store_refusal::none;
  pass(60s);
  CHECK_EQ(stored(7).hour.calls.requests, 2);
  on->usage.clear();
  book->count(7, "getMe", "ok", 0.1, 0, noon);
  on->refusal = store_refusal::outcome_unknown;
  pass(60s);
  on->refusal = store_refusal::none;
  pass(60s);
  CHECK(on->usage.empty());
}

SCENARIO("updates are counted by bot, hour and kind, and put back with the rest") {
  constexpr wall_ms at = 1'700'000'000'000;
  usage_book book;
  book.count_update(7, "message", 42, at);
  book.count_update(7, "message", 43, at);
  book.count_update(7, "callback_query", 0, at);
  book.count_update(7, "", 0, at);
  book.count(7, "getMe", "ok", 0.1, 0, at);
  auto taken = book.take();
  CHECK(book.take().empty());
  book.give_back(taken);
  book.count_update(7, "message", 42, at);
  auto all = book.take();
  REQUIRE_EQ(all.size(), 1u);
  auto& seen = all[0].hour;
  CHECK_EQ(seen.updates, 5);
  CHECK_EQ(seen.calls.requests, 1);
  CHECK_EQ(seen.kinds, (decltype(seen.kinds){{"callback_query", 1}, {"message", 3}, {"other", 1}}));
  CHECK_EQ(seen.chats, (decltype(seen.chats){{42, 2}, {43, 1}}));
}

SCENARIO("the book is bounded") {
  usage_book small{16};
  for (bot_id bot = 1; bot <= 1000; ++bot)
    small.count(bot, "getMe", "ok", 0, bot, noon);
  CHECK(small.take().size() <= 32);
  for (int i = 0; i < 1000; ++i)
    small.count(1, "method" + std::to_string(i), "ok", 0, i + 1, noon);
  auto one = small.take().at(0).hour;
  CHECK_EQ(one.calls.requests, 1000);
  CHECK(one.methods.size() <= usage_book::max_methods + 1);
  CHECK_EQ(one.chats.size(), usage_book::max_chats);
  CHECK(small.take().empty());
}

SCENARIO("a chat that comes late is among the busiest all the same") {
  usage_book book;
  for (int chat = 1; chat <= 1000; ++chat)
    book.count(7, "sendMessage", "ok", 0, chat, noon);
  for (int i = 0; i < 500; ++i)
    book.count(7, "sendMessage", "ok", 0, -5, noon);
  auto hour = book.take().at(0).hour;
  REQUIRE(!hour.chats.empty());
  CHECK_EQ(hour.chats.front().first, -5);
  CHECK(hour.chats.front().second >= 500);
  CHECK(hour.chats.front().second <= 500 + 1500 / 40);
}

SCENARIO("asked to end, the recorder stores everything first") {
  open();
  answer(7);
  book->count(7, "getMe", "ok", 0.1, 0, noon);
  self->monitor(recorder);
  caf::anon_send_exit(recorder, caf::exit_reason::user_shutdown);
  sched.run();
  CHECK_EQ(on->health.size(), 1u);
  CHECK_EQ(on->usage.size(), 1u);
  bool ended = false;
  self->receive([&](const caf::down_msg& x) { ended = x.source == recorder.address(); });
  CHECK(ended);
}

END_FIXTURE_SCOPE()

} // namespace troupe::recorder_suite

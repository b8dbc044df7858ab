#define CAF_SUITE actors_rate_governors_moves
#include "messages/journal.hpp"
#include "runtime/telegram/method_table.hpp"
#include "tests/actors/rate_governors_fixture.hpp"

namespace troupe::rate_governors_moves_suite {

using namespace std::literals;
using governor_tests::node;

namespace {

constexpr bot_id mover = 77;
constexpr std::int64_t user = 41;

/// What the nodes' journals keep; one that is `mute` does not answer.
struct shelf {
  std::vector<past_of_shard> kept;
  std::vector<past_hold> holds; ///< All that were ever to be kept.
  std::size_t messages = 0;     ///< That told of them.
  bool mute = false;
  bool fails = false;

  static journal_actor::behavior_type behave(journal_actor::pointer self,
                                             std::shared_ptr<shelf> on) {
    return {
      [](const update_append&) { return append_result{}; },
      [](const update_fetch&) { return update_page{}; },
      [](const update_ends&) {},
      [](const update_confirm&) { return confirm_result{}; },
      [](const journal_attach&) { return pending_count{}; },
      [](const journal_forget&) {},
      [](const pending_query&) { return pending_count{}; },
      [](const dead_letter_query&) { return dead_letter_page{}; },
      [](const dead_letter_replay&) { return replay_result{}; },
      [](const journal_limits&) {},
      [](get_report) { return journal_report{}; },
      [](const shards_gained&) { return done{}; },
      [](const shards_lost&) { return done{}; },
      [](const box_filled&) {},
      [=](const pasts_keep& x) -> caf::result<done> {
        if (on->mute)
          return self->make_response_promise<done>();
        on->messages += x.holds.empty() ? 0 : 1;
        if (on->fails)
          return caf::make_error(caf::sec::runtime_error);
        on->kept.insert(on->kept.end(), x.shards.begin(), x.shards.end());
        on->holds.insert(on->holds.end(), x.holds.begin(), x.holds.end());
        return done{};
      },
      [=](const pasts_ask& x) -> caf::result<pasts_kept> {
        if (on->mute)
          return self->make_response_promise<pasts_kept>();
        pasts_kept result;
        for (auto& one : on->kept)
          if (one.revision + 1 == x.shards.at(0).revision)
            result.shards.push_back({one.shard, one.revision + 1, one.seen, one.messages});
        result.holds = on->holds;
        return result;
      },
    };
  }
};

struct fixture : governor_tests::many_nodes {
  std::shared_ptr<shelf> kept = std::make_shared<shelf>();
  journal_actor journal;

  fixture() {
    config.global_rps = 0;
    journal = sys.spawn(shelf::behave, kept);
    start_all(1);
    for (std::size_t i = 0; i < 2; ++i) {
      be_born_again(i);
      between->revision[i] = 0;
    }
  }
  void be_born_again(std::size_t i) {
    kill(*nodes[i].governor);
    sched.run();
    rate_governor_ports ports;
    ports.pool = [s = nodes[i].sessions] { return s; };
    ports.memory = nodes[i].memory;
    ports.holder = ++holders;
    ports.cluster = [c = nodes[i].cluster] { return c; };
    ports.serves = [w = between, i](bot_id, time_point) { return w->revision[i]; };
    ports.journal = [this] { return journal; };
    *nodes[i].governor = spawn_rate_governor(sys, config, std::move(ports));
    sched.run();
  }
  ~fixture() override {
    stop_all();
    kill(journal);
    sched.run();
  }

  template <class X>
  bool told(std::size_t i, X what) {
    auto answered = std::make_shared<bool>(false);
    sys.spawn([=, to = *nodes[i].governor](caf::event_based_actor* self) {
      self->request(to, caf::infinite, what).then([=](const done&) { *answered = true; });
    });
    sched.run();
    if (*answered)
      return true;
    run_for(3s);
    return *answered;
  }
  void gain(std::size_t i, std::int64_t revision) {
    between->revision[i] = revision;
    CHECK(told(i, shards_gained{{{shard_of(mover), revision}}}));
  }
  void lose(std::size_t i, bool planned = true) {
    CHECK(told(i, shards_lost{{shard_of(mover)}, planned}));
    between->revision[i] = 0;
  }
  /// So many messages to the chat go at once.
  std::size_t burst(std::size_t i) {
    auto before = permits().size();
    for (int n = 0; n < 30; ++n) {
      permit_request x;
      x.bot = mover;
      x.id = ++calls;
      x.produces_message = true;
      x.chat = {-user, true};
      caf::anon_send(nodes[i].bot, x);
    }
    run_for(20ms);
    return permits().size() - before;
  }
  /// Whether a message to the chat goes at once, by a method of the table.
  bool goes(std::size_t i, std::int64_t chat, std::uint16_t method) {
    auto before = permits().size();
    permit_request x;
    x.bot = mover;
    x.id = ++calls;
    x.method = method;
    x.chat = {chat, false};
    caf::anon_send(nodes[i].bot, x);
    run_for(20ms);
    return permits().size() > before;
  }
  void hit(std::size_t i, std::int64_t chat, std::uint16_t method, duration after) {
    caf::anon_send(*nodes[i].governor, flood_report{mover, {chat, false}, method, after});
    sched.run();
  }
  std::uint64_t calls = 1'000'000;
};

constexpr auto send_message = telegram::method_index("sendMessage");
constexpr auto send_photo = telegram::method_index("sendPhoto");

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a shard that moves as planned takes with it what its bots' windows hold") {
  gain(0, 1);
  run_for(60s); // Nothing is known of the time before.
  CHECK_EQ(burst(0), 20u);
  run_for(30s);
  lose(0);
  CHECK_EQ(kept->kept.size(), 1u);
  CHECK_EQ(kept->kept.at(0).messages.size(), 20u);
  gain(1, 2);
  run_for(29s);
  CHECK_EQ(burst(1), 0u);
  run_for(2s);
  CHECK_EQ(burst(1), 20u);
}

SCENARIO("who held the shard last is not known: every window counts as full") {
  gain(0, 1);
  run_for(60s);
  lose(0, false);
  CHECK(kept->kept.empty());
  gain(1, 2);
  run_for(59s);
  CHECK_EQ(burst(1), 0u);
  run_for(2s);
  CHECK_EQ(burst(1), 20u);
}

SCENARIO("a journal that does not answer holds up no move; what was before counts as full") {
  gain(0, 1);
  run_for(60s);
  kept->mute = true;
  lose(0);
  gain(1, 2);
  CHECK_EQ(burst(1), 0u);
}

SCENARIO("what a 429 forbids is forbidden at the next owner, too, however the shard comes to it") {
  for (auto planned : {true, false}) {
    kept->holds.clear();
    auto revision = planned ? 1 : 3;
    gain(0, revision);
    run_for(60s);
    hit(0, user, send_message, 30s);
    CAF_REQUIRE_EQUAL(kept->holds.size(), 1u);
    CHECK_EQ(kept->holds[0].method, "sendMessage");
    CHECK(kept->holds[0].revision == revision && kept->holds[0].left == 30s);
    lose(0, planned);
    gain(1, revision + 1);
    run_for(25s); // Only what is left when it is read counts; here all of it.
    CHECK(!goes(1, user, send_message));
    CHECK(goes(1, user, send_photo));
    CHECK(goes(1, user + 1, send_message));
    run_for(6s);
    CHECK(goes(1, user, send_message));
    lose(1, false);
    run_for(1min);
  }
}

SCENARIO("a bot that is held as a whole is so at the next owner") {
  gain(0, 1);
  run_for(60s);
  hit(0, user, send_message, 30s);
  hit(0, user + 1, send_message, 20s);
  lose(0, false);
  gain(1, 2);
  run_for(15s);
  CHECK(!goes(1, user + 2, send_photo));
  run_for(6s);
  CHECK(goes(1, user + 2, send_photo));
  CHECK(!goes(1, user, send_message));
}

SCENARIO("what could not be kept is tried again, many together, as long as it holds") {
  gain(0, 1);
  kept->fails = true;
  hit(0, user, send_message, 30s);
  hit(0, user, send_photo, 1s);
  CHECK_EQ(kept->messages, 1u);
  for (std::int64_t i = 1; i < 100; ++i)
    hit(0, user, static_cast<std::uint16_t>(i), 40s);
  run_for(5s);
  CHECK(kept->messages >= 4u && kept->messages <= 6u);
  CHECK(kept->holds.empty());
  kept->fails = false;
  run_for(2s);
  CHECK(kept->holds.size() >= 99u);
  for (auto& one : kept->holds)
    CHECK(one.left > 20s && one.left < 40s); // Of what is over nothing is told.
}

SCENARIO("a governor that is born again has kept what the one before learnt") {
  gain(0, 1);
  kept->mute = true;
  hit(0, user, send_message, 30s);
  kept->mute = false;
  be_born_again(0);
  CAF_REQUIRE_EQUAL(kept->holds.size(), 1u);
  CHECK_EQ(kept->holds[0].chat, user);
}

SCENARIO("nothing goes for a bot whose shard is being given up") {
  gain(0, 1);
  run_for(60s);
  CHECK(told(0, shards_lost{{shard_of(mover)}, true}));
  CHECK_EQ(burst(0), 0u); // Its lease and its fence still say that it may.
  CHECK(between->revision[0] != 0);
}

END_FIXTURE_SCOPE()

} // namespace troupe::rate_governors_moves_suite

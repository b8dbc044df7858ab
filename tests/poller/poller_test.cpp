#define CAF_SUITE poller
#include "actors/poller/poller.hpp"
#include "tests/poller/fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::poller_suite {

using namespace troupe::intake_tests;

namespace {

struct webhooks_notes {
  std::vector<bot_id> checks;
  std::vector<code_received> codes;
  polls_list polls;
};

webhooks_actor::behavior_type fake_webhooks(webhooks_actor::pointer,
                                            std::shared_ptr<webhooks_notes> notes) {
  return {
    [](const bot_served&) {},
    [](const bot_gone&) {},
    [](const webhook_release&) {},
    [=](const intake_check& x) { notes->checks.push_back(x.bot); },
    [=](const code_received& x) { notes->codes.push_back(x); },
    [](const intake_query&) { return intake_view{}; },
    [=](const polls_query&) { return notes->polls; },
    [](const get_report&) { return webhooks_report{}; },
  };
}

struct poller_fixture : fixture {
  poller_fixture() {
    webhooks = sys.spawn(fake_webhooks, told);
    found->updates->webhooks.publish(webhooks);
    start();
  }
  ~poller_fixture() override {
    found->updates->webhooks.publish({});
    caf::anon_send_exit(webhooks, caf::exit_reason::kill);
    caf::anon_send_exit(poller, caf::exit_reason::kill);
    sched.run();
  }
  void start() {
    if (poller)
      caf::anon_send_exit(poller, caf::exit_reason::kill);
    poller = spawn_poller(sys, config, {found, names, {}});
    sched.run();
  }
  void add(bot_id bot, std::string allowed = {}) {
    caf::anon_send(poller, poll_bot{bot, 1, std::move(allowed)});
    sched.run();
  }
  poller_report report() {
    poller_report result;
    auto pending = self->request(poller, caf::infinite, get_report{});
    sched.run();
    pending.receive([&](const poller_report& x) { result = x; },
                    [](const caf::error& why) { FAIL(why); });
    return result;
  }
  std::size_t polls() const { return notes->calls.size(); }

  poller_config config;
  std::shared_ptr<webhooks_notes> told = std::make_shared<webhooks_notes>();
  webhooks_actor webhooks;
  poller_actor poller;
};

std::string update(int id, std::string text = "hi") {
  return R"({"update_id":)" + std::to_string(id)
         + R"(,"message":{"from":{"id":7},"chat":{"id":8},"text":")" + text + "\"}}";
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(poller_tests, poller_fixture)

SCENARIO("updates are confirmed only once the journal has them") {
  add(42, R"(["message"])");
  REQUIRE_EQ(polls(), 1u);
  CHECK_EQ(last().body, R"({"limit":100,"timeout":50,"allowed_updates":["message"]})");
  CHECK(last().own);
  kept->refusals.push_back(caf::make_error(store_refusal::disk_full));
  answer_open(ok("[" + update(5) + ",\n" + update(6) + "]"));
  CHECK(kept->appended.empty());
  pass(2s);
  REQUIRE_EQ(polls(), 2u);
  CHECK_EQ(last().body.find("offset"), std::string::npos); // Telegram gives them again.
  answer_open(ok("[" + update(5) + ",\n" + update(6) + "]"));
  REQUIRE_EQ(kept->appended.size(), 1u);
  CHECK_EQ(kept->appended[0].bot, 42);
  REQUIRE_EQ(kept->appended[0].updates.size(), 2u);
  CHECK_EQ(kept->appended[0].updates[0].body.str(), update(5));
  REQUIRE_EQ(polls(), 3u);
  CHECK_NE(last().body.find(R"("offset":7,)"), std::string::npos);
  answer_open(ok("[]"));
  REQUIRE_EQ(polls(), 4u);
  // Ids may begin anew, lower.
  CHECK_EQ(last().body.find("offset"), std::string::npos);
  answer_open(ok("[" + update(2) + "]"));
  CHECK_NE(last().body.find(R"("offset":3,)"), std::string::npos);
  CHECK_EQ(report().stored, 3u);
}

SCENARIO("what Telegram sends and nobody can read neither blocks the others nor gets lost") {
  add(42);
  answer_open(ok("[" + update(5) + "," + update(6, "a\xFF") + ",{\"update_id\":7,\"x\":{]},17,"
                 + update(8) + "]"));
  REQUIRE_EQ(kept->appended.size(), 1u);
  auto& all = kept->appended[0].updates;
  REQUIRE_EQ(all.size(), 5u);
  CHECK_EQ(all[1].id, 6);
  CHECK_EQ(all[1].body.str(), update(6, "a\uFFFD"));
  CHECK_EQ(all[1].received, wall);
  CHECK_EQ(all[2].id, unreadable_update);
  CHECK_EQ(all[2].body.str(), "{\"update_id\":7,\"x\":{]}");
  CHECK_EQ(all[3].id, unreadable_update);
  CHECK_EQ(all[4].id, 8);
  CHECK_EQ(report().repaired, 1u);
  CHECK_EQ(report().unreadable, 2u);
  REQUIRE_EQ(polls(), 2u);
  CHECK_NE(last().body.find(R"("offset":9,)"), std::string::npos);
}

SCENARIO("what has no id cannot be confirmed, and is not asked for all the time") {
  add(42);
  for (int i = 0; i < 600; ++i) {
    if (!notes->open.empty())
      answer_open(ok("[{}]"));
    pass(100ms);
  }
  CHECK(polls() >= 3u);
  CHECK(polls() <= 10u);
  for (auto& x : kept->appended) // The journal knows it again.
    CHECK_EQ(x.updates.at(0).body.str(), "{}");
  pass(61s); // No pause is longer.
  answer_open(ok("[{}," + update(9) + "]"));
  CHECK_NE(last().body.find(R"("offset":10,)"), std::string::npos);
}

SCENARIO("a killed poller's successor polls the same bots, from where the journal is") {
  add(42);
  answer_open(ok("[" + update(5) + "]"));
  told->polls.bots.push_back({42, 1, {}});
  start();
  REQUIRE_EQ(polls(), 3u);
  CHECK_EQ(last().body.find("offset"), std::string::npos);
}

SCENARIO("a full journal stops the polls until it takes updates again") {
  add(42);
  kept->refusals.push_back(caf::make_error(ec::journal_full, refusal{1s}));
  kept->full = true;
  answer_open(ok("[" + update(5) + "]"));
  CHECK_EQ(report().paused, 1u);
  for (int i = 0; i < 20; ++i)
    pass(10s);
  CHECK_EQ(polls(), 1u);
  kept->full = false;
  pass(46s);
  CHECK_EQ(polls(), 2u);
  answer_open(ok("[" + update(5) + "]"));
  CHECK_EQ(kept->appended.size(), 1u);
  CHECK_EQ(report().paused, 0u);
}

SCENARIO("with another consumer it waits longer and longer") {
  add(42);
  answer_open(error(409, "Conflict: terminated by other getUpdates request"));
  CHECK(told->checks.empty());
  std::vector<std::size_t> within;
  for (int i = 0; i < 3; ++i) {
    auto before = polls();
    int seconds = 0;
    while (polls() == before && seconds < 1000) {
      pass(1s);
      ++seconds;
    }
    within.push_back(static_cast<std::size_t>(seconds));
    answer_open(error(409, "Conflict: can't use getUpdates method while webhook is active"));
  }
  CHECK(within[0] <= 8);
  CHECK(within[2] >= 10);
  CHECK_EQ(told->checks.size(), 3u); // Of the webhook.
  CHECK_EQ(report().conflicts, 4u);
}

SCENARIO("failures are tried again after pauses, others go on meanwhile") {
  add(42);
  add(43);
  REQUIRE_EQ(notes->open.size(), 2u);
  answer_open(error(502, "Bad Gateway"), 42);
  CHECK_EQ(polls(), 2u);
  pass(2s);
  CHECK_EQ(polls(), 3u);
  CHECK_EQ(last().bot, 42);
  answer_open(error(429, "Too Many Requests: retry after 30", R"(,"parameters":{"retry_after":30})"), 42);
  pass(29s);
  CHECK_EQ(polls(), 3u);
  pass(1s);
  CHECK_EQ(polls(), 4u);
  answer_open(caf::make_error(ec::transport_failed), 42);
  CHECK_EQ(polls(), 4u);
  pass(5s);
  CHECK_EQ(polls(), 5u);
  answer_open(ok("no list"), 42);
  pass(5s);
  CHECK_EQ(polls(), 6u);
  CHECK_EQ(report().failures, 3u + 1u);
}

SCENARIO("a bot that is gone is polled no more, whatever its last poll brings") {
  add(42);
  caf::anon_send(poller, poll_stop{42});
  sched.run();
  answer_open(ok("[" + update(5) + "]"));
  CHECK(kept->appended.empty());
  pass(120s);
  CHECK_EQ(polls(), 1u);
  CHECK_EQ(report().bots, 0u);
  add(42); // Its settings changed once more.
  CHECK_EQ(polls(), 2u);
}

SCENARIO("more bots than places take turns, with shorter polls") {
  config.max_polls = 2;
  start();
  for (bot_id bot = 1; bot <= 10; ++bot)
    add(bot);
  CHECK_EQ(notes->open.size(), 2u);
  CHECK_EQ(report().polls, 2u);
  std::map<bot_id, int> seen;
  for (int i = 0; i < 100; ++i) {
    ++seen[notes->open.front().first.bot];
    advance_time(10s);
    answer_open(ok("[]"));
    CHECK_EQ(notes->open.size(), 2u);
  }
  CHECK_NE(last().body.find(R"("timeout":10,)"), std::string::npos);
  CHECK_EQ(seen.size(), 10u);
  for (auto& [bot, times] : seen)
    CHECK_EQ(times, 10);
}

SCENARIO("an upstream that answers polls at once is not asked all the time") {
  add(42);
  for (int i = 0; i < 10; ++i)
    answer("getUpdates", ok("[]"));
  answer_open(ok("[]"));
  CHECK_EQ(polls(), 1u);
  pass(200ms);
  CHECK_EQ(polls(), 2u);
}

SCENARIO("a code sent to a pending bot is told, once it is stored") {
  auto serve = [this](bot_id bot, bot_phase phase) {
    auto digest = token_hash({1, 2}, std::to_string(bot));
    names->put(digest, bot, 1, true, sched.clock().now());
    names->set_phase(digest.key, bot, phase);
    add(bot);
  };
  serve(42, bot_phase::pending);
  answer_open(ok("[" + update(5, "/start ABCDEFGHJK") + "," + update(6, "/start") + "]"));
  REQUIRE_EQ(told->codes.size(), 1u);
  CHECK_EQ(told->codes[0].bot, 42);
  CHECK_EQ(told->codes[0].sender, 7);
  CHECK_EQ(told->codes[0].chat, 8);
  CHECK_EQ(told->codes[0].code, "ABCDEFGHJK");
  notes->open.clear();
  serve(43, bot_phase::active);
  answer_open(ok("[" + update(5, "/start ABCDEFGHJK") + "]"));
  CHECK_EQ(told->codes.size(), 1u);
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace troupe::poller_suite

#define CAF_SUITE webhooks
#include "actors/webhooks/webhooks.hpp"
#include "tests/poller/fixture.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/test/bdd_dsl.hpp>

namespace troupe::webhooks_suite {

using namespace troupe::intake_tests;

namespace {

struct poller_notes {
  std::vector<poll_bot> started;
  std::vector<bot_id> stopped;
};

poller_actor::behavior_type fake_poller(poller_actor::pointer,
                                        std::shared_ptr<poller_notes> notes) {
  return {
    [=](const poll_bot& x) { notes->started.push_back(x); },
    [=](const poll_stop& x) { notes->stopped.push_back(x.bot); },
    [](const get_report&) { return poller_report{}; },
  };
}

std::string info(std::string url, std::string more = {}) {
  return R"({"url":")" + std::move(url) + R"(","has_custom_certificate":false,)"
         + R"("pending_update_count":0)" + more + "}";
}

constexpr auto own = "https://node.example/webhook/42";

struct webhooks_fixture : fixture {
  webhooks_fixture() {
    config.public_url = "https://node.example";
    config.looks_per_second = 100;
    poller = sys.spawn(fake_poller, polls);
    found->updates->poller.publish(poller);
    put(42);
  }
  ~webhooks_fixture() override {
    found->updates->poller.publish({});
    caf::anon_send_exit(poller, caf::exit_reason::kill);
    caf::anon_send_exit(webhooks, caf::exit_reason::kill);
    sched.run();
  }
  void start() {
    if (webhooks)
      caf::anon_send_exit(webhooks, caf::exit_reason::kill);
    webhooks_ports ports{found, secret, [this] { return store; }};
    ports.silent = [this] { return std::exchange(silent, {}); };
    webhooks = spawn_webhooks(sys, config, std::move(ports));
    sched.run();
  }
  void serve(bot_phase phase = bot_phase::active, bot_id bot = 42) {
    if (!webhooks)
      start();
    caf::anon_send(webhooks, bot_served{bot, 1, phase});
    sched.run();
  }
  intake_view view(bot_id bot = 42) {
    intake_view result;
    auto pending = self->request(webhooks, caf::infinite, intake_query{bot});
    sched.run();
    pending.receive([&](const intake_view& x) { result = x; },
                    [](const caf::error& why) { CAF_FAIL("refused: " << why); });
    return result;
  }
  /// What is asked of the registrar from now on.
  std::vector<std::string> fresh() {
    auto result = methods();
    result.erase(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(seen));
    seen += result.size();
    return result;
  }
  using list = std::vector<std::string>;

  webhooks_config config;
  std::shared_ptr<const updates::webhook_secret> secret = std::make_shared<updates::webhook_secret>(
    crypto::secret_key{std::vector<std::uint8_t>(crypto::secret_key::size, 7)});
  std::vector<bot_id> silent; ///< Whose updates stopped, until it is asked.
  std::shared_ptr<poller_notes> polls = std::make_shared<poller_notes>();
  store_actor store; ///< Empty unless a test needs one.
  poller_actor poller;
  webhooks_actor webhooks;
  std::size_t seen = 0;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(webhooks_tests, webhooks_fixture)

SCENARIO("a bot without a webhook gets the node's, with its secret") {
  put(42, R"({"updates":{"allowed_updates":["message"],"max_connections":7}})");
  answer("getWebhookInfo", ok(info("")));
  answer("setWebhook", ok("true"));
  serve();
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "setWebhook"}));
  CHECK(last().own);
  CHECK_EQ(last().body, R"({"url":"https://node.example/webhook/42","max_connections":7,)"
                        R"("secret_token":")"
                          + secret->of(42) + R"(","allowed_updates":["message"]})");
  CHECK(view().state == intake_state::webhook);
  serve(); // Nothing of it has changed.
  CHECK(fresh().empty());
}

SCENARIO("a webhook that is as it should be is left alone, and looked at from time to time") {
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  serve(bot_phase::pending);
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
  CHECK(view().state == intake_state::webhook);
  pass(8min);
  CHECK(fresh().empty());
  // Somebody changed it.
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":1)")));
  answer("setWebhook", ok("true"));
  pass(4min);
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "setWebhook"}));
  // Or took it away.
  answer("getWebhookInfo", ok(info("")));
  answer("setWebhook", ok("true"));
  pass(12min);
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "setWebhook"}));
  // Or set another secret, which shows in what Telegram was answered.
  answer("getWebhookInfo",
         ok(info(own, R"(,"last_error_message":"Wrong response from the webhook: 403 Forbidden")"
                      R"(,"last_error_date":)"
                        + std::to_string(wall / 1000))));
  answer("setWebhook", ok("true"));
  pass(12min);
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "setWebhook"}));
}

SCENARIO("a webhook elsewhere is told of, and not touched") {
  answer("getWebhookInfo", ok(info("https://other.example/hook?key=hush")));
  serve();
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
  CHECK(view().state == intake_state::elsewhere);
  CHECK_EQ(view().elsewhere, "https://other.example"); // Paths and users may be secrets.
  CHECK(polls->started.empty());
  // Its owner takes it away.
  answer("getWebhookInfo", ok(info("")));
  answer("setWebhook", ok("true"));
  caf::anon_send(webhooks, intake_check{42});
  sched.run();
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "setWebhook"}));
  CHECK(view().state == intake_state::webhook);
  CHECK_EQ(view().elsewhere, "");
}

SCENARIO("a former URL is the node's own, too") {
  config.former_url = "https://old.example/";
  answer("getWebhookInfo", ok(info("https://old.example/webhook/42")));
  answer("setWebhook", ok("true"));
  serve();
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "setWebhook"}));
}

SCENARIO("without a public URL the webhook is deleted, then the bot is polled") {
  config.public_url = "";
  config.former_url = "https://node.example";
  put(42, R"({"updates":{"allowed_updates":["poll"]}})");
  answer("getWebhookInfo", ok(info(own)));
  serve();
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "deleteWebhook"}));
  CHECK_EQ(last().body, R"({"drop_pending_updates":false})");
  CHECK(polls->started.empty());
  answer_open(ok("true"));
  REQUIRE_EQ(polls->started.size(), 1u);
  CHECK_EQ(polls->started[0].allowed, R"(["poll"])");
  CHECK(view().state == intake_state::polling);
  // A poller that died asks again.
  polls_list all;
  auto pending = self->request(webhooks, caf::infinite, polls_query{});
  sched.run();
  pending.receive([&](const polls_list& x) { all = x; },
                  [](const caf::error& why) { CAF_FAIL(why); });
  CHECK_EQ(all.bots.size(), 1u);
  // And settings change.
  put(42, R"({"updates":{"mode":"none"}})");
  answer("getWebhookInfo", ok(info("")));
  serve();
  CHECK_EQ(polls->stopped, std::vector<bot_id>{42});
  CHECK(view().state == intake_state::none);
}

SCENARIO("a bot that takes no calls rests") {
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  serve();
  (void)fresh();
  serve(bot_phase::suspended);
  CHECK(view().state == intake_state::resting);
  pass(30min);
  CHECK(fresh().empty());
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  serve();
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
  CHECK(view().state == intake_state::webhook);
}

SCENARIO("what Telegram refuses is tried again, later and later") {
  for (int i = 0; i < 4; ++i) {
    answer("getWebhookInfo", ok(info("")));
    if (i < 3)
      answer("setWebhook", error(400, "Bad Request: bad webhook: IP address is reserved"));
  }
  answer("setWebhook", ok("true"));
  serve();
  CHECK(view().state == intake_state::failing);
  CHECK_EQ(view().reason, "Bad Request: bad webhook: IP address is reserved");
  pass(3s);
  pass(6s);
  pass(12s);
  CHECK(view().state == intake_state::webhook);
  CHECK_EQ(fresh().size(), 8u);
}

SCENARIO("a registrar that restarts is asked again") {
  answer("getWebhookInfo", caf::make_error(caf::sec::request_receiver_down));
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  serve();
  pass(1s);
  CHECK(view().state == intake_state::webhook);
  // And this actor's successor asks it for all bots.
  notes->served.push_back({42, 1, bot_phase::active});
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  start();
  CHECK(view().state == intake_state::webhook);
}

SCENARIO("looks are paced over all bots") {
  config.looks_per_second = 2;
  for (bot_id bot = 1; bot <= 20; ++bot) {
    put(bot);
    serve(bot_phase::active, bot);
  }
  CHECK_EQ(notes->open.size(), 2u);
  for (int i = 0; i < 5; ++i)
    pass(1s);
  CHECK(notes->open.size() >= 11u);
  CHECK(notes->open.size() <= 12u);
}

SCENARIO("bots whose updates stopped are looked at before the others") {
  config.looks_per_second = 2;
  config.silent_after = 2s;
  constexpr bot_id count = 40;
  for (bot_id bot = 1; bot <= count; ++bot) {
    put(bot);
    serve(bot_phase::active, bot);
  }
  for (int i = 0; i < 25; ++i) {
    while (!notes->open.empty()) {
      auto url = "https://node.example/webhook/" + std::to_string(notes->open.front().first.bot);
      answer_open(ok(info(url, R"(,"max_connections":40)")));
    }
    pass(1s);
  }
  REQUIRE_EQ(notes->calls.size(), std::size_t{count});
  pass(12min); // All are due again; two of them at once.
  auto looked = [this](bot_id bot) {
    return std::any_of(notes->calls.begin() + count, notes->calls.end(),
                       [bot](const auto& x) { return x.bot == bot; });
  };
  bot_id one = count;
  while (looked(one))
    --one;
  bot_id other = one - 1;
  while (looked(other))
    --other;
  auto before = notes->calls.size();
  silent = {one, other, 99}; // One of them it does not know.
  for (int i = 0; i < 3; ++i)
    pass(1s);
  std::vector<bot_id> after;
  for (auto i = before; i < notes->calls.size(); ++i)
    after.push_back(notes->calls[i].bot);
  REQUIRE(after.size() >= 4);
  auto first = std::find(after.begin(), after.begin() + 3, one);
  REQUIRE(first != after.begin() + 3); // It was asked for within a second.
  CHECK_EQ(first[1], other);
  CHECK(after.size() <= 7); // The pace holds for them, too.
}

SCENARIO("after a restart all are polled at once, and whoever is new is looked at first") {
  config.public_url = "";
  config.looks_per_second = 1;
  for (bot_id bot = 1; bot <= 10; ++bot) {
    put(bot);
    notes->served.push_back({bot, 1, bot_phase::active});
  }
  start();
  CHECK_EQ(polls->started.size(), 10u);
  CHECK_EQ(notes->open.size(), 1u);
  put(99);
  serve(bot_phase::pending, 99);
  pass(1100ms);
  CHECK_EQ(notes->open.size(), 2u);
  CHECK_EQ(last().bot, 99);
  for (int i = 0; i < 20; ++i)
    pass(1s);
  CHECK_EQ(notes->open.size(), 11u);
}

SCENARIO("bots that come from another node are polled at once, and looked at without a storm") {
  config.public_url = "";
  config.looks_per_second = 1;
  serve(); // Of this node's own: it is looked at.
  answer_open(ok(info("")));
  polls->started.clear();
  auto before = notes->calls.size();
  for (bot_id bot = 1; bot <= 20; ++bot) {
    put(bot);
    caf::anon_send(webhooks, bot_served{bot, 1, bot_phase::active, true});
  }
  sched.run();
  CHECK_EQ(polls->started.size(), 20u);
  CHECK(notes->calls.size() <= before + 1);
  put(99);
  serve(bot_phase::active, 99); // Whoever is new goes first.
  for (int i = 0; i < 2; ++i)
    pass(1s);
  auto asked = std::ranges::count(notes->calls, 99, [](const auto& x) { return x.bot; });
  CHECK(asked >= 1);
  CHECK(notes->calls.size() <= before + 4);
}

SCENARIO("a self-signed certificate goes with the webhook") {
  config.certificate = "-----BEGIN CERTIFICATE-----\nxyz\n-----END CERTIFICATE-----\n";
  answer("getWebhookInfo", ok(info("")));
  answer("setWebhook", ok("true"));
  serve();
  CHECK_NE(last().content_type.find("multipart/form-data; boundary="), std::string::npos);
  auto boundary = "--" + last().content_type.substr(last().content_type.find('=') + 1);
  CHECK(last().body.starts_with(boundary + "\r\n"));
  CHECK(last().body.ends_with(boundary + "--\r\n"));
  CHECK_NE(last().body.find(config.certificate), std::string::npos);
  CHECK_NE(last().body.find(secret->of(42)), std::string::npos);
  (void)fresh();
  // Of another one Telegram tells nothing but that it does not trust it.
  auto custom = [](std::string more) {
    return R"({"url":")" + std::string{own} + R"(","has_custom_certificate":true,)"
           + R"("pending_update_count":0,"max_connections":40)" + more + "}";
  };
  answer("getWebhookInfo", ok(custom("")));
  pass(12min);
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
  answer("getWebhookInfo",
         ok(custom(R"(,"last_error_message":"SSL error {error:0A000086:SSL routines::)"
                   R"(certificate verify failed}","last_error_date":)"
                   + std::to_string(wall / 1000))));
  answer("setWebhook", ok("true"));
  pass(12min);
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "setWebhook"}));
  CHECK_NE(last().body.find(config.certificate), std::string::npos);
}

SCENARIO("before a bot is removed its webhook is deleted") {
  auto release = [this] {
    auto pending = self->request(webhooks, caf::infinite, webhook_release{42});
    sched.run();
    return pending;
  };
  answer("getWebhookInfo", ok(info("https://other.example/")));
  serve();
  (void)fresh();
  // One that leads elsewhere is not.
  answer("getWebhookInfo", ok(info("https://other.example/")));
  bool released = false;
  release().receive([&] { released = true; }, [](const caf::error& why) { CAF_FAIL(why); });
  CHECK(released);
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
  // Whatever goes wrong there, it is removed.
  answer("getWebhookInfo", caf::make_error(ec::transport_failed));
  released = false;
  release().receive([&] { released = true; }, [](const caf::error& why) { CAF_FAIL(why); });
  CHECK(released);
  caf::anon_send(webhooks, bot_gone{42});
  sched.run();
  pass(30min);
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
}

SCENARIO("before a suspended bot is removed its webhook is deleted, too") {
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  serve();
  serve(bot_phase::suspended);
  (void)fresh();
  auto rows = sys.spawn([](caf::event_based_actor*) -> caf::behavior {
    return {[](const bot_lookup& x) {
      bot_batch found;
      found.bots.emplace_back().id = x.ids.at(0);
      return found;
    }};
  });
  store = caf::actor_cast<store_actor>(rows);
  // The registrar has it take the node's own calls by now.
  answer("getWebhookInfo", ok(info(own)));
  answer("deleteWebhook", ok("true"));
  bool released = false;
  auto pending = self->request(webhooks, caf::infinite, webhook_release{42});
  sched.run();
  pending.receive([&] { released = true; }, [](const caf::error& why) { CAF_FAIL(why); });
  CHECK(released);
  CHECK_EQ(fresh(), (list{"getWebhookInfo", "deleteWebhook"}));
  store = store_actor{};
  caf::anon_send_exit(rows, caf::exit_reason::kill);
  sched.run();
}

SCENARIO("a bot that is removed while bots are restored is not taken up anew") {
  notes->served.push_back({42, 1, bot_phase::active});
  notes->restored = false;
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  start();
  answer("getWebhookInfo", ok(info("https://other.example/")));
  bool released = false;
  auto pending = self->request(webhooks, caf::infinite, webhook_release{42});
  sched.run();
  pending.receive([&] { released = true; }, [](const caf::error& why) { CAF_FAIL(why); });
  CHECK(released);
  (void)fresh();
  pass(1500ms); // The list is asked for again, and it is on it still.
  CHECK_EQ(fresh(), list{});
  serve(); // It stays after all.
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
}

SCENARIO("a bot that is removed before bots are loaded is left as it was before") {
  answer("getWebhookInfo", ok(info("https://other.example/")));
  start(); // The registrar's list is empty: its answer is still to come.
  bool released = false;
  auto pending = self->request(webhooks, caf::infinite, webhook_release{42});
  sched.run();
  pending.receive([&] { released = true; }, [](const caf::error& why) { CAF_FAIL(why); });
  CHECK(released);
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
}

SCENARIO("a bot that is removed while it is looked at holds up nobody") {
  serve();
  CHECK_EQ(notes->open.size(), 1u);
  answer("getWebhookInfo", ok(info("")));
  auto pending = self->request(webhooks, caf::infinite, webhook_release{42});
  sched.run();
  pending.receive([] {}, [](const caf::error& why) { CAF_FAIL(why); });
  caf::anon_send(webhooks, bot_gone{42});
  sched.run();
  answer_open(ok(info("")));
  (void)fresh();
  put(43);
  serve(bot_phase::active, 43);
  CHECK_EQ(fresh(), list{"getWebhookInfo"});
}

SCENARIO("a code is tried for a pending bot, and its sender told") {
  answer("getWebhookInfo", ok(info(own, R"(,"max_connections":40)")));
  serve(bot_phase::pending);
  (void)fresh();
  auto send = [this](std::string code, std::int64_t sender = 7) {
    answer("sendMessage", ok("{}"));
    caf::anon_send(webhooks, code_received{42, sender, 8, std::move(code)});
    sched.run();
  };
  notes->verdict = code_verdict::wrong;
  send("ABC");
  REQUIRE_EQ(notes->tries.size(), 1u);
  CHECK_EQ(notes->tries[0].typed, "ABC");
  CHECK_EQ(notes->tries[0].sender, 7);
  CHECK_EQ(fresh(), list{"sendMessage"});
  CHECK_NE(last().body.find(R"("chat_id":8)"), std::string::npos);
  CHECK_NE(last().body.find("not the code"), std::string::npos);
  notes->verdict = code_verdict::no_code; // Nobody asked: no answer.
  send("ABC");
  CHECK(fresh().empty());
  notes->verdict = code_verdict::wrong;
  for (int i = 0; i < 20; ++i)
    send("ABC");
  CHECK_EQ(notes->tries.size(), 10u); // Of one minute.
  (void)fresh();
  for (std::int64_t stranger = 100; stranger < 300; ++stranger) // They follow links to the bot.
    send("REF", stranger);
  CHECK_EQ(notes->tries.size(), 109u);
  CHECK(fresh().size() < 10); // It does not flood anybody.
  pass(1min);
  notes->tries.resize(10);
  for (std::int64_t stranger = 100; stranger < 150; ++stranger)
    send("REF", stranger);
  CHECK_EQ(notes->tries.size(), 60u);
  notes->tries.resize(10);
  (void)fresh();
  notes->verdict = code_verdict::verified; // The owner need not wait for them.
  send("ABC");
  CHECK_NE(last().body.find("is yours"), std::string::npos);
  (void)fresh();
  serve(bot_phase::active);
  send("ABC"); // Its owner is known: this is for the bot.
  CHECK_EQ(notes->tries.size(), 11u);
  CHECK(fresh().empty());
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace troupe::webhooks_suite

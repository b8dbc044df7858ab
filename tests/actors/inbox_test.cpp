#define CAF_SUITE actors_inbox
#include "tests/actors/inbox_fixture.hpp"

namespace troupe::inbox_suite {

using namespace troupe::inbox_tests;
using namespace std::literals;

namespace {

struct inbox_fixture : fixture {
  /// The fake registrar notes what it is asked to call.
  void start_registrar() {
    registrar = sys.spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const method_call& x) -> caf::result<method_answer> {
        methods.push_back(x);
        if (x.method == "sendPhoto")
          return caf::make_error(ec::queue_full);
        return method_answer{200, "application/json", "{}"};
      }};
    });
    updates().registrar.publish(caf::actor_cast<registrar_actor>(registrar));
  }
  std::vector<method_call> methods;
};

relay_result says(std::string type, std::string body) {
  auto x = tenant::status(200);
  x.content_type = std::move(type);
  x.body = std::move(body);
  return x;
}

} // namespace

BEGIN_FIXTURE_SCOPE(inbox_fixture)

SCENARIO("updates are delivered in order per chat, side by side across chats") {
  receiver->holds = true;
  for (auto chat : {5, 5, 6, 5, 7})
    store_update(chat);
  tell_bot();
  sched.run();
  using list = std::vector<std::pair<std::int64_t, std::int64_t>>;
  CHECK_EQ(receiver->got, (list{{5, 1}, {6, 3}, {7, 5}}));
  answer_held();
  CHECK_EQ(receiver->got.back(), (std::pair<std::int64_t, std::int64_t>{5, 2}));
  for (int i = 0; i < 4; ++i)
    answer_held();
  CHECK_EQ(store->count(update_verdict::delivered), 5u);
  CHECK(in_order());
  CHECK_EQ(steps[update_step::delivered], 5);
  CHECK_EQ(store->ended[1][0].attempts, 1u);
}

SCENARIO("no more are with the receiver than its settings allow") {
  relay_to("https://tenant.test/", 3, 2);
  for (int chat = 1; chat <= 20; ++chat)
    store_update(chat);
  tell_bot();
  CHECK(finish());
  CHECK_EQ(receiver->most_at_once, 2u);
}

SCENARIO("many updates pass through a bounded window, with few requests to the journal") {
  for (int i = 0; i < 1000; ++i)
    store_update(i % 50);
  tell_bot();
  CHECK(finish());
  CHECK_EQ(store->count(update_verdict::delivered), 1000u);
  CHECK_EQ(receiver->got.size(), 1000u);
  CHECK(in_order());
  CHECK(store->fetches.size() <= 25);
  for (const auto& x : store->fetches)
    CHECK(x.limit <= 200);
  // A single one costs a single fetch.
  auto before = store->fetches.size();
  store_update(1);
  tell_bot();
  CHECK(finish());
  CHECK_EQ(store->fetches.size(), before + 1);
}

SCENARIO("an update that its receiver refuses again and again is a dead letter; others go on") {
  receiver->answers = [](const relay_request& x) {
    return tenant::status(x.body.str().starts_with("5 ") ? 500 : 200);
  };
  auto bad = store_update(5);
  for (int i = 0; i < 10; ++i)
    store_update(6);
  tell_bot();
  sched.run();
  CHECK_EQ(store->count(update_verdict::delivered), 10u);
  CHECK(finish());
  REQUIRE_EQ(store->ended[bad].size(), 1u);
  CHECK(store->ended[bad][0].how == update_verdict::dead);
  CHECK_EQ(store->ended[bad][0].attempts, 3u);
  CHECK_EQ(store->ended[bad][0].reason, "the receiver answered 500");
  CHECK_EQ(steps[update_step::dead], 1);
  CHECK_EQ(steps[update_step::failed], 2);
  std::vector<std::uint32_t> attempts;
  for (const auto& x : receiver->asked)
    if (x.body.str().starts_with("5 "))
      attempts.push_back(x.attempt);
  CHECK_EQ(attempts, (std::vector<std::uint32_t>{1, 2, 3}));
}

SCENARIO("a chat with many updates that fail does not keep the bot's other chats waiting") {
  relay_to("https://tenant.test/", 1000);
  bool bad = true;
  receiver->answers = [&](const relay_request& x) {
    return tenant::status(bad && x.body.str().starts_with("5 ") ? 500 : 200);
  };
  for (int i = 0; i < 500; ++i)
    store_update(5);
  for (int i = 0; i < 50; ++i)
    store_update(6);
  tell_bot();
  advance(2s);
  CHECK_EQ(store->count(update_verdict::delivered), 50u);
  bad = false;
  CHECK(finish());
  CHECK_EQ(store->count(update_verdict::delivered), 550u);
  CHECK(in_order());
}

SCENARIO("a receiver that is down for an hour loses nothing and is not hammered") {
  receiver->answers = [](const relay_request&) { return tenant::end(relay_end::not_sent); };
  for (int chat = 1; chat <= 100; ++chat)
    store_update(chat);
  tell_bot();
  sched.run();
  for (int i = 0; i < 3600; ++i)
    advance(1s);
  CHECK_EQ(store->pending.size(), 100u);
  CHECK(receiver->asked.size() >= 60u);
  CHECK(receiver->asked.size() <= 140u); // 40 at first, then one in a minute or two.
  receiver->answers = [](const relay_request&) { return tenant::status(200); };
  CHECK(finish());
  CHECK_EQ(store->count(update_verdict::delivered), 100u);
  CHECK(in_order());
}

SCENARIO("what a receiver says with Retry-After is done") {
  receiver->answers = [](const relay_request&) {
    auto x = tenant::status(429);
    x.retry_after = 30s;
    return x;
  };
  auto seq = store_update(5);
  tell_bot();
  sched.run();
  CHECK_EQ(receiver->asked.size(), 1u);
  store_update(6);
  tell_bot();
  advance(29s);
  CHECK_EQ(receiver->asked.size(), 1u);
  receiver->answers = [](const relay_request&) { return tenant::status(200); };
  CHECK(finish());
  // "Not now" is no attempt of the update.
  CHECK(store->ended[seq][0].how == update_verdict::delivered);
}

SCENARIO("a receiver that is gone is left alone, visibly, until it is another one") {
  receiver->answers = [](const relay_request&) { return tenant::status(410); };
  store_update(5);
  tell_bot();
  sched.run();
  auto pause = updates().book.paused(7);
  REQUIRE(pause.has_value());
  CHECK_EQ(pause->reason, "the receiver answered 410");
  CHECK_EQ(pause->until, wall + 3'600'000);
  advance(59min);
  CHECK_EQ(receiver->asked.size(), 1u);
  receiver->answers = [](const relay_request&) { return tenant::status(200); };
  relay_to("https://other.test/");
  tell_bot();
  sched.run();
  CHECK_EQ(store->count(update_verdict::delivered), 1u);
  CHECK(!updates().book.paused(7));
}

SCENARIO("after its pause a receiver that is gone is tried again") {
  receiver->answers = [](const relay_request&) { return tenant::status(410); };
  store_update(5);
  tell_bot();
  sched.run();
  receiver->answers = [](const relay_request&) { return tenant::status(200); };
  advance(61min);
  CHECK(finish());
  CHECK(!updates().book.paused(7));
}

SCENARIO("a suspended bot hands nothing over; resumed, it goes on") {
  tell_bot();
  sched.run();
  caf::anon_send(bot, bot_command{7, bot_phase::suspended});
  sched.run();
  store_update(5);
  tell_bot();
  advance(10s);
  CHECK(receiver->asked.empty());
  caf::anon_send(bot, bot_command{7, bot_phase::active});
  sched.run();
  CHECK_EQ(store->attached, 1u);
  CHECK_EQ(store->count(update_verdict::delivered), 1u);
}

SCENARIO("a node that is about to stop begins no delivery, and knows how many are under way") {
  receiver->holds = true;
  for (auto chat : {5, 5, 6, 7})
    store_update(chat);
  tell_bot();
  sched.run();
  CHECK_EQ(updates().under_way, 3u);
  updates().draining = true;
  store_update(8);
  tell_bot();
  receiver->answers = [](const relay_request& x) {
    return tenant::status(x.body.str().starts_with("6 ") ? 500 : 200);
  };
  for (int i = 0; i < 3; ++i)
    answer_held();
  advance(1h);
  CHECK_EQ(receiver->got.size(), 3u);
  CHECK_EQ(updates().under_way, 0u);
  CHECK_EQ(updates().ending, 0u); // That is stored.
  CHECK_EQ(store->count(update_verdict::delivered), 2u);
  updates().draining = false;
  updates().book.rest(7); // It goes to another node.
  tell_bot();
  advance(1h);
  CHECK_EQ(receiver->got.size(), 3u);
  updates().book.erase(7); // It stays after all, or came back.
  relay_to("https://tenant.test/");
  tell_bot();
  sched.run();
  CHECK_EQ(updates().under_way, 3u);
  caf::anon_send_exit(bot, caf::exit_reason::kill);
  sched.run();
  CHECK_EQ(updates().under_way, 0u);
}

SCENARIO("an update whose lifetime is over is not delivered") {
  receiver->holds = true;
  auto first = store_update(5, true, 30'000);
  auto second = store_update(5, true, 30'000);
  tell_bot();
  sched.run();
  advance(31s);
  REQUIRE_EQ(store->ended[second].size(), 1u);
  CHECK(store->ended[second][0].how == update_verdict::expired);
  CHECK_EQ(store->ended[second][0].attempts, 0u);
  answer_held();
  CHECK(store->ended[first][0].how == update_verdict::delivered);
  CHECK_EQ(steps[update_step::expired], 0); // The journal counts it.
}

SCENARIO("what has not started goes as the book says when it starts") {
  relay_to("https://tenant.test/", 3, 1);
  receiver->holds = true;
  store_update(5);
  store_update(6);
  tell_bot();
  sched.run();
  CHECK_EQ(receiver->asked.size(), 1u);
  updates().book.erase(7);
  tell_bot();
  sched.run();
  answer_held();
  CHECK_EQ(store->count(update_verdict::delivered), 1u); // It was under way.
  advance(1min);
  CHECK_EQ(receiver->asked.size(), 1u);
  relay_to("https://other.test/");
  tell_bot();
  sched.run();
  CHECK_EQ(receiver->asked.size(), 2u);
}

SCENARIO("updates that were dropped are not delivered, though the bot has read them") {
  relay_to("https://tenant.test/", 3, 1);
  receiver->holds = true;
  for (int chat = 5; chat < 8; ++chat)
    store_update(chat);
  tell_bot();
  sched.run();
  REQUIRE_EQ(receiver->asked.size(), 1u);
  std::erase_if(store->pending, [](const auto& x) { return x.first > 1; });
  relay_to("https://other.test/", 3, 1);
  store_update(9);
  answer_held();
  CHECK_EQ(receiver->asked.size(), 2u);
  CHECK_EQ(receiver->got.back().first, 9);
  answer_held();
  CHECK_EQ(receiver->asked.size(), 2u);
}

SCENARIO(
  "an attempt that fails after the updates go another way is not repeated when they come back") {
  relay_to("https://tenant.test/");
  receiver->holds = true;
  receiver->answers = [](const relay_request&) { return tenant::status(500); };
  auto seq = store_update(5);
  tell_bot();
  sched.run();
  REQUIRE_EQ(receiver->asked.size(), 1u);
  updates().book.put(7, std::make_shared<const updates::update_settings>()); // Pulled.
  tell_bot();
  sched.run();
  answer_held();
  store->pending.erase(seq); // A client got it.
  relay_to("https://tenant.test/");
  tell_bot();
  for (int i = 0; i < 100; ++i)
    advance(100ms);
  CHECK_EQ(receiver->asked.size(), 1u);
  CHECK(store->ended.empty());
}

SCENARIO("an update whose receiver has it is not pulled as well") {
  using list = std::vector<std::string>;
  receiver->holds = true;
  auto seq = store_update(5);
  tell_bot();
  sched.run();
  REQUIRE_EQ(receiver->asked.size(), 1u);
  pull();
  store_update(5);
  tell_bot();
  auto client = poll();
  CHECK(!client->over); // Nothing overtakes it.
  answer_held();
  CHECK(client->over);
  CHECK_EQ(client->got, list{"5 2"});
  CHECK_EQ(store->count(update_verdict::delivered), 1u);
  CHECK(store->ended.contains(seq));
}

SCENARIO("an update whose receiver did not take it is pulled") {
  using list = std::vector<std::string>;
  receiver->holds = true;
  receiver->answers = [](const relay_request&) { return tenant::status(500); };
  store_update(5);
  tell_bot();
  sched.run();
  pull();
  store_update(6);
  auto client = poll();
  CHECK(!client->over);
  answer_held();
  CHECK(client->over);
  CHECK_EQ(client->got, (list{"5 1", "6 2"}));
  CHECK_EQ(receiver->asked.size(), 1u);
}

SCENARIO("what came instead of an update is a dead letter, whoever the receiver is") {
  auto seq = store_update(5);
  store->pending[seq].id = unreadable_update;
  store_update(5);
  tell_bot();
  CHECK(finish());
  CHECK_EQ(receiver->asked.size(), 1u);
  REQUIRE_EQ(store->ended[seq].size(), 1u);
  CHECK(store->ended[seq][0].how == update_verdict::dead);
  CHECK_EQ(steps[update_step::dead], 1);
}

SCENARIO("the last error of a receiver is told until it is another one") {
  receiver->answers = [](const relay_request&) { return tenant::status(500); };
  store_update(5);
  tell_bot();
  sched.run();
  auto failed = updates().book.last_error(7, "https://tenant.test/");
  REQUIRE(failed.has_value());
  CHECK_EQ(failed->reason, "the receiver answered 500");
  CHECK_EQ(failed->at, wall);
  receiver->answers = [](const relay_request&) { return tenant::status(200); };
  CHECK(finish());
  CHECK(updates().book.last_error(7, "https://tenant.test/").has_value());
  CHECK(!updates().book.last_error(7, "https://other.test/"));
  updates().book.erase(7);
  CHECK(!updates().book.last_error(7, "https://tenant.test/"));
}

SCENARIO("a journal that answers one request ends the pause that another one's failure began") {
  receiver->holds = true;
  store_update(5);
  tell_bot();
  sched.run();
  REQUIRE_EQ(receiver->asked.size(), 1u);
  // The bot hears of another update and of the first one's end, and asks and tells at once.
  store_update(6);
  store->failing_fetches = 1;
  tell_bot();
  caf::anon_send(delivery, delivery_limits{});
  sched.prioritize(delivery);
  sched.run();
  CHECK_EQ(receiver->asked.size(), 2u);
  for (int i = 0; i < 100; ++i)
    advance(100ms);
  CHECK_EQ(store->count(update_verdict::delivered), 1u);
  CHECK_EQ(receiver->asked.size(), 2u);
}

SCENARIO("updates behind a page that was empty are asked for again") {
  store->empty_pages = 1;
  store_update(5);
  tell_bot();
  sched.run();
  CHECK(receiver->asked.empty());
  CHECK(finish());
  CHECK_EQ(receiver->asked.size(), 1u);
}

SCENARIO("a journal that cannot answer is asked again, not all the time") {
  store->unavailable = true;
  store_update(5);
  tell_bot();
  sched.run();
  for (int i = 0; i < 600; ++i)
    advance(100ms);
  CHECK(store->fetches.size() >= 10u);
  CHECK(store->fetches.size() <= 40u);
  store->unavailable = false;
  CHECK(finish());
  CHECK_EQ(receiver->got.size(), 1u);
}

SCENARIO("ends that the journal could not take are told again; nothing is delivered twice for it") {
  receiver->holds = true;
  store_update(5);
  store_update(5);
  tell_bot();
  sched.run();
  store->unavailable = true;
  answer_held();
  answer_held();
  CHECK_EQ(receiver->got.size(), 2u);
  tell_bot();
  advance(10s);
  store->unavailable = false;
  CHECK(finish());
  CHECK_EQ(store->count(update_verdict::delivered), 2u);
  CHECK_EQ(receiver->got.size(), 2u);
}

SCENARIO("a bot without updates has no inbox, and no timer runs") {
  store_update(5);
  tell_bot();
  CHECK(finish());
  advance(5s);
  CHECK(!sched.has_pending_timeout());
}

SCENARIO("a method in the receiver's answer is called, whatever its form") {
  start_registrar();
  receiver->answers = [](const relay_request& x) {
    auto chat = x.body.str().substr(0, 1);
    if (chat == "1")
      return says("application/json", R"({"method":"sendMessage","chat_id":1,"text":"x"})");
    if (chat == "2")
      return says("application/x-www-form-urlencoded", "chat_id=1&method=sendPhoto");
    if (chat == "3")
      return says(
        "multipart/form-data; boundary=b",
        "--b\r\ncontent-disposition: form-data; name=\"method\"\r\n\r\nsendDice\r\n--b--\r\n");
    if (chat == "4")
      return says("application/json", R"({"method":"setWebhook","url":""})");
    if (chat == "5")
      return says("application/json", R"({"method":"getMe"})");
    if (chat == "6")
      return says("application/json", R"({"method":"LOGOUT"})");
    if (chat == "7")
      return says("application/json", R"({"ok":true})");
    return says("text/plain", "method=sendMessage");
  };
  for (int chat = 1; chat <= 8; ++chat)
    store_update(chat);
  tell_bot();
  CHECK(finish());
  CHECK_EQ(store->count(update_verdict::delivered), 8u); // Also where the method failed.
  REQUIRE_EQ(methods.size(), 3u);
  CHECK_EQ(methods[0].method, "sendMessage");
  CHECK_EQ(methods[0].bot, 7);
  CHECK_EQ(methods[0].own, false);
  CHECK_EQ(methods[1].method, "sendPhoto");
  CHECK_EQ(methods[1].content_type, "application/x-www-form-urlencoded");
  CHECK_EQ(methods[2].method, "sendDice");
}

END_FIXTURE_SCOPE()

} // namespace troupe::inbox_suite

#define CAF_SUITE registrar_updates
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/settings.hpp"
#include "tests/durable/registrar_fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::registrar_updates_suite {

using namespace troupe::durable_tests;

namespace {

struct intake_notes {
  std::vector<bot_served> served;
  std::vector<bot_id> gone;
  std::vector<bot_id> released;
};

webhooks_actor::behavior_type fake_webhooks(webhooks_actor::pointer,
                                            std::shared_ptr<intake_notes> notes) {
  return {
    [=](const bot_served& x) { notes->served.push_back(x); },
    [=](const bot_gone& x) { notes->gone.push_back(x.bot); },
    [=](const webhook_release& x) { notes->released.push_back(x.bot); },
    [](const intake_check&) {},
    [](const code_received&) {},
    [](const intake_query&) { return intake_view{}; },
    [](const polls_query&) { return polls_list{}; },
    [](const get_report&) { return webhooks_report{}; },
  };
}

struct updates_fixture : registrar_fixture {
  updates_fixture() {
    open(disk);
    webhooks = sys.spawn(fake_webhooks, heard);
    found->updates = std::make_shared<update_services>();
    found->updates->webhooks.publish(webhooks);
  }
  ~updates_fixture() override {
    found->updates->webhooks.publish({});
    caf::anon_send_exit(webhooks, caf::exit_reason::kill);
  }
  delivery_book& book() { return found->updates->book; }

  store::test_store disk{store::backend::sqlite};
  std::shared_ptr<intake_notes> heard = std::make_shared<intake_notes>();
  webhooks_actor webhooks;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(registrar_updates_tests, updates_fixture)

SCENARIO("how a bot's updates travel is in the book as it was stored, and told") {
  auto x = registration(42);
  x.settings = R"({"updates":{"mode":"polling","allowed_updates":["message"]}})";
  want<bot_row>(x);
  enrol(43);
  CHECK(book().find(42)->intake.mode == updates::intake_mode::polling);
  CHECK(updates::is_default(*book().find(43)));
  CHECK_EQ(heard->served.size(), 2u);
  CHECK(heard->served.back().phase == bot_phase::active);
  CHECK(notes->nudged.empty());
  auto row = stored().at(0);
  bot_change change;
  change.by = ada();
  change.tenant = 1;
  change.bot = 42;
  change.version = row.version;
  change.settings = R"({"updates":{"mode":"none"}})";
  want<bot_row>(change);
  CHECK(book().find(42)->intake.mode == updates::intake_mode::none);
  CHECK_EQ(notes->nudged, std::vector<bot_id>{42}); // What waited may go another way now.
  want<bot_row>(order(42, bot_order_kind::suspend));
  CHECK(heard->served.back().phase == bot_phase::suspended);
  auto all = want<served_list>(served_query{});
  CHECK(all.restored);
  CHECK_EQ(all.bots.size(), 2u);
}

SCENARIO("what does not concern a bot's updates leaves their entry in the book as it is") {
  auto x = registration(42);
  x.settings = R"({"updates":{"mode":"polling"}})";
  want<bot_row>(x);
  auto entry = book().find(42);
  want<bot_row>(bot_change{ada(), 1, 42, 0, "another name", 5, 2, x.settings});
  want<bot_row>(order(42, bot_order_kind::suspend));
  want<bot_row>(order(42, bot_order_kind::resume));
  CHECK(book().find(42) == entry);
  CHECK(notes->nudged.empty());
  want<bot_row>(bot_change{ada(), 1, 42, 0, "another name", 5, 2, R"({"updates":{"mode":"none"}})"});
  CHECK(book().find(42) != entry);
  CHECK_EQ(notes->nudged, std::vector<bot_id>{42});
}

SCENARIO("settings that cannot be read leave Telegram's side alone") {
  auto x = registration(42);
  x.settings = R"({"updates":{"mode":"some day"}})";
  want<bot_row>(x);
  CHECK(book().find(42)->intake.mode == updates::intake_mode::none);
}

SCENARIO("before a bot is removed Telegram's side is put back") {
  enrol(42);
  bot_remove x;
  x.by = ada();
  x.tenant = 7;
  x.bot = 42;
  CHECK(refused<bot_row>(x) == store_refusal::not_found);
  CHECK(heard->released.empty());
  x.tenant = 1;
  want<bot_row>(x);
  CHECK_EQ(heard->released, std::vector<bot_id>{42});
  CHECK_EQ(heard->gone, std::vector<bot_id>{42});
  CHECK(book().find(42) == nullptr);
}

SCENARIO("a suspended bot takes the node's own calls while Telegram's side is put back") {
  enrol(42);
  want<bot_row>(order(42, bot_order_kind::suspend));
  notes->starts.clear();
  notes->stops.clear();
  notes->commands.clear();
  bot_remove x;
  x.by = ada();
  x.tenant = 1;
  x.bot = 42;
  want<bot_row>(x);
  CHECK_EQ(heard->released, std::vector<bot_id>{42});
  REQUIRE(!notes->starts.empty());
  for (auto& one : notes->starts)
    CHECK(one.pending); // No client's call passes.
  REQUIRE_EQ(notes->commands.size(), 1u);
  CHECK(notes->commands[0].to == bot_phase::active);
  CHECK_EQ(notes->stops, std::vector<bot_id>{42});
  CHECK(stored().empty());
}

SCENARIO("a suspended bot that cannot be removed is suspended as before") {
  enrol(42);
  want<bot_row>(order(42, bot_order_kind::suspend));
  notes->commands.clear();
  bot_remove x;
  x.by = ada();
  x.tenant = 1;
  x.bot = 42;
  auto store = std::exchange(who, {}); // It is being restarted.
  CHECK(refused<bot_row>(x) == store_refusal::unavailable);
  who = store;
  REQUIRE(!notes->commands.empty());
  CHECK(notes->commands.back().to == bot_phase::suspended);
  CHECK(stored().at(0).phase == bot_phase::suspended);
}

SCENARIO("who watches a bot is told of what is ordered for it") {
  enrol(42);
  auto watcher = found->updates->events.watch(42, [] {});
  want<bot_row>(order(42, bot_order_kind::suspend));
  want<bot_row>(order(42, bot_order_kind::resume));
  want<bot_row>(order(42, bot_order_kind::restart));
  want<bot_row>(order(42, bot_order_kind::resume)); // It runs: nothing happens.
  bot_remove x;
  x.by = ada();
  x.tenant = 1;
  x.bot = 42;
  want<bot_row>(x);
  std::uint64_t missed = 0;
  std::vector<std::string> told;
  for (auto& one : watcher->take(missed)) {
    CHECK_EQ(one.type, "phase");
    told.push_back(one.data);
  }
  REQUIRE_EQ(told.size(), 4u);
  CHECK_EQ(told[0], R"({"phase":"suspended","order":"suspend","reason":""})");
  CHECK_EQ(told[1], R"({"phase":"active","order":"resume","reason":""})");
  CHECK_EQ(told[2], R"({"phase":"active","order":"restart","reason":""})");
  CHECK_EQ(told[3], R"({"phase":"stopped","order":"remove","reason":""})");
}

SCENARIO("nobody but the node steers where Telegram sends the updates that it receives") {
  enrol(42);
  auto before = api->paths.size();
  for (auto method : {"setWebhook", "deleteWebhook", "getWebhookInfo"}) {
    auto said = want<method_answer>(method_call{1, 42, method, "{}", {}});
    CHECK_EQ(said.status, 409);
    CHECK(said.body.find("delivery") != std::string::npos);
  }
  CHECK_EQ(api->paths.size(), before);
  auto x = registration(43);
  x.settings = R"({"updates":{"mode":"none"}})";
  want<bot_row>(x);
  CHECK_EQ(want<method_answer>(method_call{1, 43, "setWebhook", "{}", {}}).status, 200);
  CHECK(api->paths.back().ends_with("/setWebhook"));
}

SCENARIO("the node itself polls, and calls for a bot that is pending") {
  want<bot_row>(registration(42, false));
  method_call x{1, 42, "getUpdates", R"({"timeout":50})", {}};
  CHECK(refused<method_answer>(x) == store_refusal::invalid);
  x.own = true;
  CHECK_EQ(want<method_answer>(x).status, 200);
  CHECK(api->paths.back().ends_with("/getUpdates"));
  CHECK_EQ(api->limits.back().count(), 75'000);
  CHECK(notes->calls.back().own);
  CHECK(notes->calls.back().kind == call_kind::long_poll);
  x.method = "setWebhook";
  x.content_type = "multipart/form-data; boundary=x";
  want<method_answer>(x);
  CHECK_EQ(api->types.back(), "multipart/form-data; boundary=x");
  CHECK(notes->calls.back().kind == call_kind::request);
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace troupe::registrar_updates_suite

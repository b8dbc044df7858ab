#define CAF_SUITE gateway_steering
#include "actors/gateway/updates.hpp"
#include "messages/registrar.hpp"
#include "runtime/registry/update_services.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <caf/test/bdd_dsl.hpp>

namespace troupe::gateway_steering_suite {

using namespace std::literals;

namespace {

/// A bot that is relayed, with a store and a journal that know no more than this needs.
struct steering_fixture : test_coordinator_fixture<> {
  steering_fixture() {
    found->updates = std::make_shared<update_services>();
    store = sys.spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const bot_lookup&) {
                bot_row row;
                row.id = 7;
                row.phase = phase;
                row.settings = settings;
                return bot_batch{{row}, {}};
              },
              [this](const tenant_query& x) {
                page<tenant_row> all;
                all.rows.emplace_back().id = x.id;
                all.rows.front().suspended = tenant_rests;
                return all;
              }};
    });
    journal = sys.spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const pending_query&) {
                return pending_count{waiting, 0, 0, false};
              },
              [this](const update_confirm& x) {
                dropped += x.all ? waiting : 0;
                return confirm_result{waiting, 0};
              }};
    });
    registrar = sys.spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const bot_change& x) {
        changes.push_back(x);
        return bot_row{};
      }};
    });
    found->updates->registrar.publish(caf::actor_cast<registrar_actor>(registrar));
    found->updates->journal.publish(caf::actor_cast<journal_actor>(journal));
    put(settings);
  }
  ~steering_fixture() override {
    for (auto& x : {store, journal, registrar})
      caf::anon_send_exit(x, caf::exit_reason::kill);
    sched.run();
  }

  void put(std::string_view json) {
    found->updates->book.put(
      7, std::make_shared<const updates::update_settings>(updates::read_settings(json)));
  }
  std::string ask(std::string method, gateway::update_params params = {}) {
    gateway::steering_ports ports{
      found, [this] { return caf::actor_cast<caf::strong_actor_ptr>(store); }, "192.0.2.7", worker};
    auto steering = gateway::spawn_steering(sys, std::move(ports), std::move(params));
    method_call what;
    what.bot = 7;
    what.method = std::move(method);
    auto pending = self->request(steering, caf::infinite, std::move(what));
    sched.run();
    std::string result;
    pending.receive([&](const method_answer& x) { result = x.body; },
                    [](const caf::error& why) { FAIL(why); });
    return result;
  }

  std::string settings = R"({"delivery":{"mode":"relay","url":"https://a.example/x"}})";
  std::shared_ptr<services> found = std::make_shared<services>();
  bot_phase phase = bot_phase::active;
  bool tenant_rests = false;
  std::int64_t worker = 0;
  std::vector<bot_change> changes;
  caf::actor store;
  caf::actor journal;
  caf::actor registrar;
  std::uint32_t waiting = 3;
  std::uint32_t dropped = 0;
};

} // namespace

BEGIN_FIXTURE_SCOPE(steering_fixture)

SCENARIO("getWebhookInfo tells of the last error, and when it was, until the URL is another one") {
  auto& book = found->updates->book;
  constexpr auto none =
    R"({"ok":true,"result":{"url":"https://a.example/x","has_custom_certificate":false,)"
    R"("pending_update_count":3,"max_connections":40}})";
  CHECK_EQ(ask("getWebhookInfo"), none);
  book.set_error(7, {1'700'000'123'456, "the receiver answered 500", "https://a.example/x"});
  CHECK_EQ(ask("getWebhookInfo"),
           R"({"ok":true,"result":{"url":"https://a.example/x","has_custom_certificate":false,)"
           R"("pending_update_count":3,"last_error_date":1700000123,)"
           R"("last_error_message":"the receiver answered 500","max_connections":40}})");
  book.set_error(7, {1'700'000'123'456, "the receiver answered 500", "https://b.example/x"});
  CHECK_EQ(ask("getWebhookInfo"), none);
  put("{}");
  CHECK_EQ(
    ask("getWebhookInfo"),
    R"({"ok":true,"result":{"url":"","has_custom_certificate":false,"pending_update_count":3}})");
}

SCENARIO("who steers a bot's updates through the gateway is entered in the trail") {
  gateway::update_params params;
  params.url = "https://b.example/x";
  ask("setWebhook", params);
  worker = 3;
  ask("deleteWebhook");
  REQUIRE_EQ(changes.size(), 2u);
  CHECK_EQ(changes[0].by.name, "gateway: setWebhook");
  CHECK_EQ(changes[0].by.address, "192.0.2.7");
  CHECK_EQ(changes[1].by.name, "gateway: deleteWebhook, virtual token 3");
}

SCENARIO("a bot that takes no calls is not steered, and loses nothing that waits") {
  gateway::update_params params;
  params.url = "https://b.example/x";
  params.drop_pending = true;
  for (auto [now, words] : {std::pair{bot_phase::pending, "owner is not proven"},
                            std::pair{bot_phase::suspended, "is suspended"},
                            std::pair{bot_phase::active, "its tenant is suspended"}}) {
    phase = now;
    tenant_rests = now == bot_phase::active;
    for (const auto* method : {"setWebhook", "deleteWebhook", "getWebhookInfo", "getUpdates"}) {
      auto said = ask(method, params);
      CHECK(said.find(words) != std::string::npos);
      CHECK(said.find("403") != std::string::npos);
    }
  }
  CHECK(changes.empty());
  CHECK_EQ(dropped, 0u);
}

SCENARIO("a webhook to which nothing would be delivered is refused, but for development") {
  gateway::update_params params;
  for (auto url : {"http://b.example/x", "https://127.0.0.1/x", "https://[::1]/x"}) {
    params.url = url;
    found->updates->private_urls = false;
    auto said = ask("setWebhook", params);
    CHECK(said.find("Bad Request: bad webhook: delivery.url: ") != std::string::npos);
    CHECK(changes.empty());
    found->updates->private_urls = true;
    CHECK(ask("setWebhook", params).find("Webhook was set") != std::string::npos);
    changes.clear();
  }
}

SCENARIO("a webhook that is refused drops nothing of what waits") {
  gateway::update_params params;
  params.drop_pending = true;
  for (auto url : {"https://127.0.0.1/x", "ftp://b.example/x", "https://b.example:0/x"}) {
    params.url = url;
    CHECK(ask("setWebhook", params).find("Bad Request: bad webhook: ") != std::string::npos);
  }
  CHECK(changes.empty());
  CHECK_EQ(dropped, 0u);
}

SCENARIO("dropping what waits makes the bot ask anew, also when nothing else changes") {
  auto before = found->updates->book.find(7);
  gateway::update_params params;
  params.url = "https://a.example/x";
  params.drop_pending = true;
  CHECK_EQ(ask("setWebhook", params),
           R"({"ok":true,"result":true,"description":"Webhook is already set"})");
  CHECK_EQ(dropped, 3u);
  auto after = found->updates->book.find(7);
  CHECK(after != before);
  CHECK_EQ(after->delivery.relay.url, "https://a.example/x");
}

END_FIXTURE_SCOPE()

} // namespace troupe::gateway_steering_suite

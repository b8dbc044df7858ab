#include "actors/gateway/answers.hpp"
#include "actors/gateway/updates.hpp"
#include "messages/registrar.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/relay/url_guard.hpp"
#include "runtime/telegram/methods.hpp"

#include <boost/json.hpp>

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <chrono>

namespace troupe::gateway {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr caf::timespan steering_patience = 10s;

/// Somebody else changed the bot at the same time: read it again, so often.
constexpr int most_rounds = 3;

struct steering_state {
  static inline const char* name = "troupe.gateway.steering";

  steering_state(caf::event_based_actor* self, steering_ports ports, update_params params)
    : self(self), ports(std::move(ports)), params(std::move(params)) {}

  caf::behavior make_behavior() {
    return {[this](const method_call& what) -> caf::result<method_answer> {
      call = what;
      method = telegram::method(telegram::find_method(what.method)).name;
      promise = self->make_response_promise<method_answer>();
      auto answer = promise;
      read();
      return answer;
    }};
  }

  void read() {
    auto store = caf::actor_cast<store_actor>(ports.store ? ports.store() : nullptr);
    if (!store)
      return end(503, "Service Unavailable: what is stored cannot be read now");
    self->request(store, steering_patience, bot_lookup{call.tenant, {call.bot}})
      .then(
        [this, store](bot_batch& x) {
          if (x.bots.empty())
            return end(401, "Unauthorized");
          row = std::move(x.bots.front());
          // It takes no other calls either.
          if (row.phase == bot_phase::pending)
            return refuse(caf::make_error(store_refusal::not_verified));
          if (row.phase == bot_phase::suspended)
            return refuse(caf::make_error(ec::suspended));
          look_at_tenant(store);
        },
        [this](const caf::error&) {
          end(503, "Service Unavailable: what is stored cannot be read now");
        });
  }

  void look_at_tenant(const store_actor& store) {
    self->request(store, steering_patience, tenant_query{row.tenant, 0, 1})
      .then(
        [this](page<tenant_row>& x) {
          if (!x.rows.empty() && x.rows.front().suspended)
            return refuse(caf::make_error(ec::suspended));
          method == "getWebhookInfo" ? inform() : prepare();
        },
        [this](const caf::error&) {
          end(503, "Service Unavailable: what is stored cannot be read now");
        });
  }

  [[nodiscard]] bool sets() const { return method == "setWebhook" && !params.url.empty(); }

  /// A change that is refused drops nothing, so it is made ready first.
  void prepare() {
    try {
      next = sets()                   ? with_webhook(row.settings, params)
             : method == "getUpdates" ? with_kinds(row.settings, params)
                                      : with_pull(row.settings);
      bool guarded = sets() && !ports.found->updates->private_urls;
      if (auto wrong = guarded ? relay::wrong_to_deliver_to(params.url) : ""; !wrong.empty())
        throw updates::bad_settings{"delivery.url: " + wrong};
    } catch (const updates::bad_settings& x) {
      return end(400, std::string{"Bad Request: bad webhook: "} + x.what());
    }
    drop();
  }

  /// Before anything changes: what comes afterwards is for the new receiver.
  void drop() {
    auto journal = ports.found->updates->journal.get();
    if (!params.drop_pending || method == "getUpdates" || dropped || !journal)
      return change();
    update_confirm all;
    all.bot = call.bot;
    all.all = true;
    self->request(journal, steering_patience, all)
      .then(
        [this](const confirm_result&) {
          dropped = true;
          // The bot has read some of them: another entry makes it ask anew, whatever it says.
          auto& book = ports.found->updates->book;
          if (auto now = book.find(call.bot))
            book.put(call.bot, std::make_shared<const updates::update_settings>(*now));
          change();
        },
        [this](const caf::error&) {
          end(503, "Service Unavailable: the updates cannot be dropped now");
        });
  }

  void change() {
    std::string done = sets() ? "set" : "deleted";
    if (!next.changed)
      return succeed("Webhook is already " + done);
    auto registrar = ports.found->updates->registrar.get();
    if (!registrar)
      return end(503, "Service Unavailable: the change cannot be stored now");
    bot_change order;
    order.by.name = "gateway: " + std::string{method};
    if (ports.virtual_token != 0)
      order.by.name += ", virtual token " + std::to_string(ports.virtual_token);
    order.by.address = ports.client;
    order.tenant = row.tenant;
    order.bot = row.id;
    order.version = row.version;
    order.name = row.name;
    order.rps = row.rps;
    order.concurrent = row.concurrent;
    order.settings = std::move(next.json);
    self->request(registrar, steering_patience, std::move(order))
      .then([this, text = "Webhook was " + done](const bot_row&) { succeed(text); },
            [this](const caf::error& why) {
              if (why == store_refusal::conflict && ++rounds < most_rounds)
                return read();
              end(503, "Service Unavailable: the change cannot be stored now");
            });
  }

  void succeed(const std::string& text) {
    json::object body{{"ok", true}, {"result", true}};
    if (method != "getUpdates")
      body["description"] = text;
    finish(200, json::serialize(body));
  }

  void inform() {
    auto journal = ports.found->updates->journal.get();
    if (!journal)
      return tell({});
    self->request(journal, steering_patience, pending_query{call.bot})
      .then([this](const pending_count& x) { tell(x); },
            [this](const caf::error&) {
              end(503, "Service Unavailable: what is stored cannot be read now");
            });
  }

  void tell(const pending_count& waits) {
    auto& updates = *ports.found->updates;
    auto settings = updates.book.find(call.bot);
    bool relays = settings && settings->delivery.mode == updates::delivery_mode::relay;
    json::object info{{"url", relays ? settings->delivery.relay.url : std::string{}},
                      {"has_custom_certificate", false},
                      {"pending_update_count", waits.pending}};
    if (relays) { // As the Bot API does: until it is set to another URL, whatever came since.
      if (auto last = updates.book.last_error(call.bot, settings->delivery.relay.url)) {
        info["last_error_date"] = last->at / 1000;
        info["last_error_message"] = last->reason;
      }
    }
    if (relays)
      info["max_connections"] = settings->delivery.relay.max_connections;
    if (settings && settings->intake.allowed_updates && !settings->intake.allowed_updates->empty())
      info["allowed_updates"] = json::array(settings->intake.allowed_updates->begin(),
                                            settings->intake.allowed_updates->end());
    finish(200, json::serialize(json::object{{"ok", true}, {"result", std::move(info)}}));
  }

  void refuse(const caf::error& why) {
    auto text = explain(why);
    finish(text.status, std::move(text.body));
  }

  void end(int status, std::string_view words) {
    auto text = explain(status, words, status == 503 ? 1 : 0);
    finish(status, std::move(text.body));
  }

  void finish(int status, std::string body) {
    promise.deliver(
      method_answer{static_cast<std::uint16_t>(status), "application/json", std::move(body)});
    self->quit();
  }

  caf::event_based_actor* self;
  steering_ports ports;
  update_params params;
  method_call call;
  std::string_view method; ///< As the table has it.
  bot_row row;
  steered_settings next;
  bool dropped = false;
  int rounds = 0;
  caf::typed_response_promise<method_answer> promise;
};

} // namespace

caf::actor spawn_steering(caf::actor_system& sys, steering_ports ports, update_params params) {
  return sys.spawn<caf::stateful_actor<steering_state>>(std::move(ports), std::move(params));
}

} // namespace troupe::gateway

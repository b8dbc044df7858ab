#include "actors/bot/inbox.hpp"
#include "runtime/log/log.hpp"
#include "runtime/native/pool.hpp"
#include "runtime/telegram/updates.hpp"

#include <caf/action.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// An update ends its bot so often, unless the bot's settings say otherwise.
constexpr std::uint32_t attempts_by_default = 3;

/// Who has no handler, or a node whose threads are gone, is tried again after these.
constexpr caf::timespan unknown_pause = 30s;
constexpr caf::timespan refused_pause = 5s;

/// Makes a handler's call as the node's own. From any thread.
native::caller caller_for(caf::actor_system& sys, std::shared_ptr<services> found, tenant_id tenant,
                          bot_id bot) {
  return [&sys, found = std::move(found), tenant, bot](std::string method, std::string body,
                                                       std::function<void(native::answer)> then) {
    auto registrar = found->updates->registrar.get();
    if (!registrar)
      return then({false, 0, {}, "the node starts or stops"});
    method_call what;
    what.tenant = tenant;
    what.bot = bot;
    what.method = std::move(method);
    what.body = std::move(body);
    what.own = true;
    sys.spawn([registrar, what = std::move(what), then = std::move(then)](caf::event_based_actor* self) {
      self->request(registrar, caf::infinite, what)
        .then([then](method_answer& x) { then({true, x.status, std::move(x.body), {}}); },
              [then](const caf::error& why) { then({false, 0, {}, to_string(why)}); });
    });
  };
}

/// A handler in C++ deals with them, on the node's threads for that.
class native_receiver final : public receiver {
public:
  using receiver::receiver;

  std::size_t places(const updates::update_settings&) const override {
    return handler_ ? std::max<std::size_t>(handler_->parallel(), 1) : 1;
  }

  void hand_over(const stored_update& what, std::uint32_t attempt,
                 const updates::update_settings& how) override {
    const auto& pool = in.services().native;
    if (!pool)
      return in.later(what.seq);
    auto standing = pool->standing_of(in.bot.id, what.seq);
    if (standing == native::pool::standing::handled) { // For a bot that ended meanwhile.
      pool->forget(in.bot.id, what.seq);
      return in.delivered(what.seq);
    }
    auto before = pool->crashes_of(in.bot.id, what.seq);
    auto allowed = how.delivery.relay.attempts;
    if (before.attempts >= (allowed != 0 ? allowed : attempts_by_default)) {
      pool->forget(in.bot.id, what.seq);
      return in.dead(what.seq, std::move(before.reason));
    }
    // Never twice at once. One that overran its time may not come back at all.
    if (standing == native::pool::standing::runs)
      return in.failed(what.seq, {"the handler has not come back from an earlier attempt",
                                  before.attempts > 0, {}});
    auto words = make_handler(how.delivery.handler);
    if (!words.empty())
      return in.failed(what.seq, {std::move(words), false, unknown_pause});
    native::run_order order;
    order.bot = in.bot.id;
    order.name = name_;
    order.to = handler_;
    order.seq = what.seq;
    order.id = what.id;
    if (what.kind < telegram::update_kinds().size())
      order.kind = telegram::update_kinds()[what.kind].name;
    order.body = what.body;
    order.attempt = attempt + before.attempts;
    order.call = caller_for(in.bot.self->system(), in.bot.found, in.bot.spec.tenant, in.bot.id);
    // Weak: a thread that is stuck keeps no bot.
    order.done = [me = in.bot.self->address(), this, seq = what.seq,
                  received = what.received](native::run_result how) {
      if (auto bot = caf::actor_cast<caf::actor>(me))
        caf::anon_send(bot, caf::make_action([this, seq, received, how] {
                         ended(seq, received, how);
                       }));
    };
    pool->run(std::move(order));
  }

  bool idle() const override { return !handler_; } // What it remembers lives as long as the bot.

private:
  /// @returns why there is none; empty: there is
  std::string make_handler(const std::string& name) {
    if (handler_ && name == name_)
      return {};
    auto make = native::find_handler(name);
    if (!make)
      return "the node has no handler called " + name;
    handler_ = make(in.bot.id);
    name_ = name;
    return handler_ ? std::string{} : "the handler " + name + " was not made";
  }

  /// A bot that ends does so when its other handlers have returned. The update, which the journal
  /// still has, comes to its next incarnation.
  void ended(std::int64_t seq, std::int64_t received, const native::run_result& how) {
    auto& pool = *in.services().native;
    switch (how.how) {
    case native::run_end::done:
      pool.forget(in.bot.id, seq);
      return in.delivered(seq);
    case native::run_end::refused:
      return in.failed(seq, {how.reason, false, refused_pause});
    case native::run_end::threw:
      in.count(update_step::failed, received);
      pool.note_crash(in.bot.id, seq, "the handler " + name_ + " threw: " + how.reason);
      return in.quit_after_others(
        seq,
        caf::make_error(caf::sec::runtime_error, "the handler " + name_ + " threw: " + how.reason));
    case native::run_end::overran:
      in.count(update_step::failed, received);
      pool.note_crash(in.bot.id, seq, "the handler " + name_ + " did not return in time");
      return in.quit_after_others(seq, caf::make_error(ec::quarantined));
    }
  }

  std::shared_ptr<native::handler> handler_;
  std::string name_;
};

} // namespace

std::unique_ptr<receiver> make_native(inbox& to) {
  return std::make_unique<native_receiver>(to);
}

} // namespace troupe::bot

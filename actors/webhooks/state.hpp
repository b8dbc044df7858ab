#pragma once
#include "actors/webhooks/webhooks.hpp"
#include "actors/webhooks/wire.hpp"
#include "messages/registrar.hpp"
#include "runtime/policy/backoff.hpp"
#include "runtime/policy/ramp.hpp"
#include "runtime/registry/update_services.hpp"

#include <caf/disposable.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>
#include <memory>
#include <random>
#include <set>
#include <unordered_map>

/// The state of what keeps webhooks; for the files of this folder only.
namespace troupe::keeping {

using time_point = caf::actor_clock::time_point;
using updates::intake_mode;

/// What few bots need.
struct kept_details {
  intake_view view;
  std::uint32_t failures = 0; ///< In a row.
  bool alerted = false;
};

/// A bot, as its updates come in. There are 100,000 of them.
struct kept_bot {
  tenant_id tenant = 1;
  bot_phase phase = bot_phase::pending;
  intake_state state = intake_state::settling;
  bool busy = false;      ///< Something of it is under way at Telegram.
  bool again = false;     ///< It changed meanwhile: once more.
  bool queued = false;    ///< It stands in `urgent`.
  bool suspect = false;   ///< It stands in `suspects`.
  bool leaving = false;   ///< It is about to be removed.
  bool polled = false;    ///< The poller was told.
  std::size_t wanted = 0; ///< Hash of what its settings ask for.
  std::uint64_t era = 0;  ///< Which kept_bot of its number this is.
  time_point due{};       ///< Its place in `schedule`.
  std::unique_ptr<kept_details> more;
};

/// One look at a bot, with what is done about it.
struct look {
  bot_id bot = 0;
  std::uint64_t era = 0;
  delivery_book::entry how;
  webhook_info info;
  /// Set for a release: told when it is over.
  std::function<void()> released;
  bool over = false;
};
using look_ptr = std::shared_ptr<look>;

struct webhooks_state {
  static inline const char* name = "troupe.webhooks";

  webhooks_state(webhooks_actor::pointer self, webhooks_config config, webhooks_ports ports);
  webhooks_actor::behavior_type make_behavior();

  // -- bots.cpp: who is looked at, and when

  void load();
  void serve(const bot_served& x);
  void resume(bot_id bot, kept_bot& x, const updates::intake_settings& how);
  void drop(bot_id bot);
  void hurry(bot_id bot);
  void suspect_silent();
  bot_id next();
  void pump();
  void begin(bot_id bot);
  void schedule_in(bot_id bot, kept_bot& x, caf::timespan wait);
  void unschedule(bot_id bot, kept_bot& x);
  caf::result<void> release(const webhook_release& x);
  caf::result<intake_view> view(const intake_query& x) const;
  polls_list polls() const;
  webhooks_report report() const;
  kept_bot* find(const look& x);
  kept_details& details(kept_bot& x);

  // -- settle.cpp: what is asked of Telegram

  intake_mode mode_of(const updates::intake_settings& how) const;
  bool is_ours(const look& x) const;
  void settle(const look_ptr& x);
  void decide(const look_ptr& x);
  /// Remembers where the webhook leads; then `then`.
  void remember(const look_ptr& x, std::function<void()> then);
  /// What was remembered of the bot's webhook before it was taken over; empty: nothing.
  void recall(const look_ptr& x, std::function<void(std::string)> then);
  void make_ours(const look_ptr& x);
  void make_none(const look_ptr& x, std::function<void()> then);
  void give_back(const look_ptr& x, std::function<void()> then);
  void poll(const look_ptr& x);
  void stop_polling(bot_id bot, kept_bot& x);
  void settled(const look_ptr& x, intake_state state);
  void elsewhere(const look_ptr& x);
  void failed(const look_ptr& x, const std::string& why, caf::timespan retry = {});
  void refused(const look_ptr& x, const caf::error& why);
  /// The look is over; the next one is in `next`, 0: none.
  void finish(const look_ptr& x, caf::timespan next);
  void raise(bot_id bot, kept_bot& x, std::string_view alert, std::string_view reason,
             std::string_view note);
  void resolve(bot_id bot, kept_bot& x);

  /// Makes a request of the bot's; `then` gets answers of status 200 alone.
  void call(const look_ptr& x, std::string method, form body,
            std::function<void(const method_answer&)> then);

  // -- codes.cpp

  void try_code(const code_received& x);
  void tell_verdict(const code_received& x, code_verdict verdict);

  time_point now() const { return self->clock().now(); }
  double random() { return std::uniform_real_distribution<double>{0, 1}(dice); }

  webhooks_actor::pointer self;
  webhooks_config cfg;
  webhooks_ports ports;
  ramp pace;
  std::minstd_rand dice;
  std::unordered_map<bot_id, kept_bot> bots;
  std::deque<bot_id> urgent;
  std::deque<bot_id> suspects; ///< Whose updates stopped: behind those, before the others.
  std::set<std::pair<time_point, bot_id>> schedule;
  std::uint32_t running = 0; ///< Looks under way.
  std::uint64_t eras = 0;
  std::uint64_t repaired = 0;
  bool complete = false; ///< All bots that were registered before are known.
  caf::disposable timer;
  time_point timer_at{};
  /// Codes tried in a minute.
  struct tried_codes {
    time_point since{};
    std::unordered_map<std::int64_t, std::uint32_t> by; ///< By sender.
    std::uint32_t answered = 0;                         ///< Those that proved nothing.
  };
  std::unordered_map<bot_id, tried_codes> codes;
};

} // namespace troupe::keeping

#pragma once
#include "actors/bot/bot.hpp"
#include "actors/bot/life_cycle.hpp"

#include <caf/disposable.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <vector>

/// The bot actor's state, shared by the files that implement it.
namespace troupe::bot {

class inbox;

using time_point = caf::actor_clock::time_point;
using grant_promise = caf::typed_response_promise<grant>;

/// What happens to a call right now.
enum class stage : std::uint8_t {
  waiting, ///< Waits for permit and lease.
  granted, ///< Its exchange is under way.
  pausing, ///< Waits to be tried again.
};

struct running_call {
  call what;
  grant_promise answer; ///< Pending unless `now` is granted.
  lease held;           ///< Valid while granted.
  time_point deadline;  ///< Of the waiting, not of the exchange.
  time_point since;     ///< When the current stage began.
  caf::timespan waited{0};
  stage now = stage::waiting;
  std::int64_t last_permit = 0; ///< Stamp of the last permit that was used; 0: none.
  bot_id asked_as = 0;          ///< The bot's id when it last asked the pool, which knows it so.
  std::uint16_t attempt = 1;
  bool probe = false;
  bool full = false;      ///< It found the queue full: it goes at once or not at all.
  bool impatient = false; ///< The same, as its caller wants it.
  caf::actor_addr caller; ///< Of another node; empty: this one's.
  time_point came;        ///< This and the next: of another node's alone.
  std::string_view ended; ///< How its last attempt did, in a word.
  bool streams = false;   ///< Its answer is being passed on: it takes as long as it moves.

  [[nodiscard]] bool poll() const noexcept { return what.kind == call_kind::long_poll; }
};

/// xorshift64*, for jitter only; seeded by the bot's id so that a simulation repeats itself.
/// Source: Vigna, "An experimental exploration of Marsaglia's xorshift generators".
class jitter_source {
public:
  explicit jitter_source(std::uint64_t seed) noexcept : state_(seed | 1u) {}
  double next() noexcept { // In [0, 1).
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<double>((state_ * 0x2545F4914F6CDD1Du) >> 11) * 0x1.0p-53;
  }

private:
  std::uint64_t state_;
};

struct bot_state {
  static inline const char* name = "troupe.bot";

  bot_state(bot_actor::pointer self, const start_bot& spec, std::uint32_t incarnation,
            std::shared_ptr<services> found, std::shared_ptr<const live_bot_config> config);
  /// What was not told to health yet, is: also when the bot is killed.
  ~bot_state();
  bot_actor::behavior_type make_behavior();
  /// The settings now: asked for at each use.
  [[nodiscard]] const bot_config& limits() const noexcept { return config->get(); }

  // admission.cpp: from the call to its grant.
  caf::result<grant> admit(const call& c);
  /// Calls that were admitted and have no session, polls aside.
  [[nodiscard]] std::uint32_t waiting() const noexcept;
  /// Zero if the breaker lets a call pass; sets `probe` if it passes as a probe.
  caf::timespan breaker_wait(time_point now, const call& c, bool& probe);
  /// Asks health for the breaker's state; calls that come before its answer wait for it.
  void ask_breaker();
  void breaker_known();
  /// Asks for permit and lease (requests) or for the lease alone (polls, files).
  void ask_for_grant(running_call& entry);
  /// The service is being restarted: ask its successor.
  void ask_again(call_id cid);
  void hand_out(call_id cid, const chat_ref& charged, const lease& lent);
  /// @param used stamp of the last permit that this call had used before; 0: none
  void grant_refused(call_id cid, std::int64_t used, caf::error why);

  // attempts.cpp: the end of an exchange, retries, what is learnt.
  caf::result<grant> decide_retry(const attempt_failed& x);
  /// How long to wait before the next attempt; negative if there is to be none.
  caf::timespan retry_pause(const running_call& entry, const outcome& how);
  void finish(const call_done& x);
  void give_back(running_call& entry, bool reusable);
  /// Tells governor and health what the exchange showed.
  void learn(running_call& entry, const outcome& how);
  void flush();
  void prove();

  // abroad.cpp: calls that other nodes took.
  /// Whose request this is, if another node's: should that be lost, nobody reports on its calls.
  caf::actor_addr watch_caller();
  void caller_lost(const caf::actor_addr& who);
  /// Such a call is over: who watches the bot hears it from here, and its own node says nothing
  /// more about it than it does anyway.
  void tell_end(const running_call& entry, std::string_view how);
  /// It is refused before it was begun.
  caf::error refuse_call(const call& c, caf::error why);

  // attempts.cpp: the end of a call.
  void cancel(call_id cid);
  void leave_queues(const running_call& entry);
  /// Ends a call that was not granted. After a first attempt, the outcome of that stands.
  void give_up(call_id cid, caf::error why);
  /// Forgets a call that holds no session any more.
  void release(call_id cid);
  void refuse_waiting(const caf::error& why);

  // bot.cpp: phases, breaker, time.
  void change_breaker(const breaker_change& x);
  void obey(bot_phase to);
  void move_to(bot_phase to);
  /// It is used: a call, or news of updates.
  void touch();
  passivation passivate(const troupe::passivate& x);
  bot_report report() const;

  /// One timer for all calls: governor and pool end what waits too long, and this bot what they
  /// left waiting all the same, or whose exchange nobody reported on.
  void arm_timer();
  time_point due_of(const running_call& entry) const;
  time_point next_due() const;
  void expire();

  running_call* find(call_id cid);
  template <class Handle, class Message>
  void notify(const Handle& to, Message&& message) {
    if (to)
      self->send(to, std::forward<Message>(message));
  }

  bot_actor::pointer self;
  start_bot spec;
  bot_id id; ///< For budgets, health and logs: the provisional one until the token is proven.
  bool proven;
  bool probing = false; ///< A probe is under way.
  bool early = false;   ///< Health has not said yet how the breaker stands.
  bot_phase phase = bot_phase::starting;
  breaker_state breaker = breaker_state::closed;
  std::uint32_t granted = 0; ///< Entries of `calls` that hold a session, without polls.
  std::uint32_t polls = 0;   ///< Entries that are long polls.
  std::int32_t uses = -1; ///< Since it was last asked to leave; the first is what it started for.
  time_point last_used{};
  time_point open_until{};
  time_point timer_at{}; ///< When the timer fires; zero if it is not armed.
  caf::disposable timer;
  std::shared_ptr<services> found;
  std::shared_ptr<const live_bot_config> config;
  jitter_source jitter;
  std::vector<running_call> calls; ///< In order of arrival.
  std::vector<outcome_sample> samples;
  std::vector<caf::actor_addr> callers; ///< Of other nodes, each watched once.
  std::unique_ptr<inbox> updates;       ///< Null while there are none.
};

/// An error whose refusal tells when to come back; zero: unknown.
inline caf::error refuse(ec code, caf::timespan retry_after = caf::timespan{0}) {
  return caf::make_error(code, refusal{retry_after});
}

/// Why a bot in such a phase, in which it takes no calls, takes none.
[[nodiscard]] caf::error refuse_in(bot_phase phase);

} // namespace troupe::bot

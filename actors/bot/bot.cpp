#include "actors/bot/bot.hpp"

#include "actors/bot/life_cycle.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "runtime/log/log.hpp"

#include <caf/disposable.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <vector>

namespace troupe {
namespace {

using namespace std::chrono_literals;
using time_point = caf::actor_clock::time_point;
using grant_promise = caf::typed_response_promise<grant>;

/// A call that waits so long past its deadline was forgotten by governor or pool.
constexpr caf::timespan overdue = 500ms;

/// No upload or download is given up before.
constexpr caf::timespan stream_timeout = std::chrono::hours{24};

/// A service that restarts is asked again after this pause.
constexpr caf::timespan service_pause = 25ms;

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
  std::uint16_t attempt = 1;
  bool probe = false;

  [[nodiscard]] bool poll() const noexcept { return what.kind == call_kind::long_poll; }
};

/// Whether the upstream certainly did not act on the request, or doing it twice does no harm.
bool may_repeat(const call& c, const outcome& how) noexcept {
  if (!c.replayable)
    return false;
  switch (how.what) {
  case failure::not_sent:
    return true;
  case failure::broken:
  case failure::timeout:
    return c.repeatable;
  case failure::none:
    return how.status == 429 || (how.status >= 500 && c.repeatable);
  default:
    return false;
  }
}

/// Whether an outcome counts as a failure of the upstream (architecture.md: transport errors,
/// timeouts, 5xx).
bool is_failure(const outcome& how) noexcept {
  return how.what != failure::none || how.status >= 500;
}

/// Whether the answer shows that the upstream knows the token.
bool proves_token(const outcome& how) noexcept {
  return how.what == failure::none && how.status != 401 && how.status != 404 && how.status < 500;
}

caf::error refuse(ec code, caf::timespan retry_after = caf::timespan{0}) {
  return caf::make_error(code, refusal{retry_after});
}

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
            std::shared_ptr<services> found, std::shared_ptr<const bot_config> config)
    : self(self), spec(spec), id(spec.bot), proven(spec.proven), found(std::move(found)),
      config(std::move(config)),
      jitter(static_cast<std::uint64_t>(spec.bot) * 0x9E3779B97F4A7C15u + incarnation) {
    if (incarnation > 1)
      if (auto health = this->found->health.get())
        self->send(health, bot_started{id});
    if (spec.rps != 0 || spec.concurrent != 0)
      notify(this->found->rate_governor.get(), bot_limits{id, spec.rps, spec.concurrent});
    move_to(bot_phase::active);
  }

  bot_actor::behavior_type make_behavior() {
    return {
      [this](const call& c) { return admit(c); },
      [this](const call_done& x) { finish(x); },
      [this](const attempt_failed& x) { return decide_retry(x); },
      [this](const call_cancelled& x) { cancel(x.id); },
      [this](const breaker_change& x) { change_breaker(x); },
      [this](const bot_command& x) { obey(x.to); },
      [this](const get_report&) { return report(); },
    };
  }

  // -- admission ------------------------------------------------------------------------------

  caf::result<grant> admit(const call& c) {
    if (!takes_calls(phase))
      return refuse(phase == bot_phase::suspended ? ec::suspended : ec::unauthorized);
    auto now = self->clock().now();
    bool probe = false;
    if (auto wait = breaker_wait(now, c, probe); wait.count() > 0)
      return refuse(ec::breaker_open, wait);
    // Whoever waits, waits in the governor or in the pool, where a full chat or an exhausted budget
    // holds up nobody else; how many of a bot's calls run at once is theirs to bound too.
    bool full =
      c.kind == call_kind::long_poll ? polls >= config->max_polls : waiting() >= config->max_queue;
    if (full)
      return refuse(ec::queue_full, 1s);
    auto& entry = calls.emplace_back();
    entry.what = c;
    entry.answer = self->make_response_promise<grant>();
    entry.deadline = now + c.patience;
    entry.since = now;
    entry.probe = probe;
    if (entry.poll())
      ++polls;
    auto answer = entry.answer;
    ask_for_grant(entry);
    arm_timer();
    return answer;
  }

  /// Calls that were admitted and have no session, polls aside.
  [[nodiscard]] std::uint32_t waiting() const noexcept {
    return static_cast<std::uint32_t>(calls.size()) - polls - granted;
  }

  /// Zero if the breaker lets a call pass; sets `probe` if it passes as a probe.
  caf::timespan breaker_wait(time_point now, const call& c, bool& probe) {
    if (breaker == breaker_state::closed)
      return 0s;
    if (breaker == breaker_state::open && now < open_until)
      return open_until - now;
    breaker =
      breaker_state::half_open; // Also when health has forgotten: time alone allows a probe.
    // A long poll takes too long to keep others from probing.
    if (c.kind != call_kind::long_poll && probing)
      return 1s;
    probe = true;
    probing = probing || c.kind != call_kind::long_poll;
    return 0s;
  }

  /// Asks for permit and lease (requests) or for the lease alone (polls, files).
  void ask_for_grant(running_call& entry) {
    auto now = self->clock().now();
    entry.now = stage::waiting;
    auto left = entry.deadline - now;
    if (left.count() <= 0)
      return give_up(entry.what.id, refuse(ec::deadline_passed, 1s));
    auto call_id = entry.what.id;
    auto chat = entry.what.produces_message ? entry.what.chat : chat_ref{};
    auto on_lease = [this, call_id, chat](const lease& lent) { hand_out(call_id, chat, lent); };
    auto on_error = [this, call_id](caf::error& why) { grant_refused(call_id, std::move(why)); };
    const auto& c = entry.what;
    if (c.kind == call_kind::request) {
      if (auto governor = found->rate_governor.get()) {
        self
          ->request(governor, caf::infinite,
                    permit_request{id, spec.tenant, c.id, c.method, c.produces_message,
                                   c.paid_broadcast, c.chat, c.lane, left})
          .then(on_lease, on_error);
        return;
      }
    } else if (auto pool = found->session_pool.get()) {
      self
        ->request(pool, caf::infinite,
                  lease_request{id, spec.tenant, c.id, c.kind, c.lane, left, 0, 0})
        .then(on_lease, on_error);
      return;
    }
    ask_again(call_id);
  }

  /// The service is being restarted: ask its successor.
  void ask_again(call_id cid) {
    self->run_delayed(service_pause, [this, cid] {
      if (auto* entry = find(cid); entry && entry->now == stage::waiting)
        ask_for_grant(*entry);
    });
  }

  void hand_out(call_id cid, const chat_ref& charged, const lease& lent) {
    auto* entry = find(cid);
    if (!entry || entry->now != stage::waiting) { // Given up meanwhile: nothing was written.
      if (lent.permitted_at != 0)
        notify(found->rate_governor.get(),
               permit_unused{id, spec.tenant, charged, lent.permitted_at});
      notify(found->session_pool.get(), lease_return{lent.id, true});
      return;
    }
    auto now = self->clock().now();
    entry->waited += now - entry->since;
    entry->since = now;
    entry->now = stage::granted;
    entry->held = lent;
    if (!entry->poll())
      ++granted;
    entry->answer.deliver(grant{cid, lent, entry->attempt, entry->waited});
    arm_timer();
  }

  void grant_refused(call_id cid, caf::error why) {
    auto* entry = find(cid);
    if (!entry || entry->now != stage::waiting)
      return;
    // Errors of the actor system: the service died with our request.
    if (why.category() == caf::type_id_v<caf::sec>)
      return ask_again(cid);
    give_up(cid, std::move(why));
  }

  // -- the end of an exchange -----------------------------------------------------------------

  caf::result<grant> decide_retry(const attempt_failed& x) {
    auto* entry = find(x.id);
    if (!entry || entry->now != stage::granted || entry->held.id != x.session.id)
      return caf::make_error(ec::not_retried);
    give_back(*entry, x.how.reusable);
    learn(*entry, x.how);
    auto now = self->clock().now();
    entry->deadline = now + x.patience;
    auto pause = retry_pause(*entry, x.how);
    if (pause.count() < 0 || pause >= x.patience) {
      release(x.id);
      return caf::make_error(ec::not_retried);
    }
    ++entry->attempt;
    entry->answer = self->make_response_promise<grant>();
    auto answer = entry->answer;
    entry->since = now;
    if (pause.count() == 0) {
      ask_for_grant(*entry);
    } else {
      self->run_delayed(pause, [this, cid = x.id] {
        if (auto* again = find(cid); again && again->now == stage::pausing)
          ask_for_grant(*again);
      });
    }
    arm_timer();
    return answer;
  }

  /// How long to wait before the next attempt; negative if there is to be none.
  caf::timespan retry_pause(const running_call& entry, const outcome& how) {
    if (entry.attempt > config->retries || !may_repeat(entry.what, how) || !takes_calls(phase)
        || breaker != breaker_state::closed)
      return caf::timespan{-1};
    // After a 429 the governor holds the chat or the bot for as long as the upstream asked.
    if (how.what == failure::none && how.status == 429)
      return caf::timespan{0};
    return config->retry_delay.delay(entry.attempt, jitter.next());
  }

  void finish(const call_done& x) {
    auto* entry = find(x.id);
    // Without a lease: its gateway died, and the grant with it. Nothing was written.
    bool lost = x.session.id == 0;
    if (!entry || entry->now != stage::granted || (!lost && entry->held.id != x.session.id))
      return;
    give_back(*entry, x.how.reusable);
    learn(*entry, x.how);
    release(x.id);
  }

  void give_back(running_call& entry, bool reusable) {
    notify(found->session_pool.get(), lease_return{entry.held.id, reusable});
    entry.held = lease{};
    entry.now = stage::pausing;
    if (!entry.poll())
      --granted;
  }

  /// Tells governor and health what the exchange showed.
  void learn(running_call& entry, const outcome& how) {
    if (how.what == failure::none && how.status == 429)
      notify(found->rate_governor.get(),
             flood_report{id, entry.what.chat, entry.what.method, how.retry_after});
    if (!proven && proves_token(how))
      prove();
    bool probe = entry.probe;
    if (probe) {
      entry.probe = false;
      if (!entry.poll())
        probing = false;
    }
    if (how.what == failure::aborted) // Says nothing about the upstream.
      return;
    auto now = self->clock().now();
    samples.push_back(
      outcome_sample{now.time_since_epoch().count(), how.latency, how.status, how.what, probe});
    if (is_failure(how) || probe || how.status == 401 || samples.size() >= config->batch_size)
      flush();
    else if (samples.size() == 1)
      self->run_delayed(config->batch_delay, [this] { flush(); });
  }

  void flush() {
    if (samples.empty())
      return;
    outcome_batch batch{id, proven, {}};
    batch.samples.swap(samples);
    if (auto health = found->health.get())
      self->send(health, std::move(batch));
  }

  void prove() {
    proven = true;
    if (spec.claimed == 0)
      return;
    auto message = identity_proven{id, spec.claimed};
    notify(found->rate_governor.get(), message);
    notify(found->bots_of(spec.bot), message);
    id = spec.claimed;
  }

  // -- giving up ------------------------------------------------------------------------------

  void cancel(call_id cid) {
    auto* entry = find(cid);
    if (!entry || entry->now == stage::granted) // A granted call reports its own end.
      return;
    leave_queues(*entry);
    give_up(cid, caf::make_error(ec::cancelled));
  }

  void leave_queues(const running_call& entry) {
    if (entry.now != stage::waiting)
      return;
    if (entry.what.kind == call_kind::request)
      notify(found->rate_governor.get(), permit_cancel{id, entry.what.id});
    else
      notify(found->session_pool.get(), lease_cancel{id, entry.what.id});
  }

  /// Ends a call that was not granted. After a first attempt, the outcome of that stands.
  void give_up(call_id cid, caf::error why) {
    auto* entry = find(cid);
    auto answer = std::move(entry->answer);
    bool first = entry->attempt == 1;
    if (entry->probe && !entry->poll())
      probing = false;
    release(cid);
    answer.deliver(first ? std::move(why) : caf::make_error(ec::not_retried));
  }

  /// Forgets a call that holds no session any more.
  void release(call_id cid) {
    auto entry =
      std::find_if(calls.begin(), calls.end(), [cid](const auto& c) { return c.what.id == cid; });
    if (entry->poll())
      --polls;
    calls.erase(entry);
    if (calls.empty() && calls.capacity() > 8)
      calls.shrink_to_fit(); // An idle bot costs little.
  }

  void refuse_waiting(const caf::error& why) {
    std::vector<call_id> ungranted;
    for (const auto& entry : calls)
      if (entry.now != stage::granted)
        ungranted.push_back(entry.what.id);
    for (auto cid : ungranted) {
      if (auto* entry = find(cid)) {
        leave_queues(*entry);
        give_up(cid, why);
      }
    }
  }

  // -- phases and breaker ---------------------------------------------------------------------

  void change_breaker(const breaker_change& x) {
    breaker = x.state;
    probing = false;
    if (x.state == breaker_state::open) {
      open_until = self->clock().now() + x.open_for;
      refuse_waiting(refuse(ec::breaker_open, x.open_for));
    }
  }

  void obey(bot_phase to) {
    if (to == phase || !may_follow(phase, to))
      return;
    move_to(to);
    switch (to) {
    case bot_phase::suspended:
      return refuse_waiting(refuse(ec::suspended));
    case bot_phase::unauthorized:
      refuse_waiting(refuse(ec::unauthorized));
      log::event(log::level::warning, "bot.unauthorized", name, {{"bot", id}},
                 "The Bot API rejects this bot's token; the bot stops until it gets a new one.");
      return self->quit(caf::make_error(ec::unauthorized));
    case bot_phase::stopped:
      refuse_waiting(refuse(ec::stopped));
      return self->quit(caf::make_error(ec::stopped));
    default:
      return;
    }
  }

  void move_to(bot_phase to) {
    if (may_follow(phase, to))
      phase = to;
  }

  bot_report report() const { return {id, phase, granted + polls, waiting(), breaker}; }

  // -- time -----------------------------------------------------------------------------------

  /// One timer for all calls: governor and pool end what waits too long, and this bot what they
  /// left waiting all the same, or whose exchange nobody reported on.
  void arm_timer() {
    auto due = next_due();
    if (due == time_point::max() || (timer_at != time_point{} && timer_at <= due))
      return;
    timer.dispose();
    timer_at = due;
    auto now = self->clock().now();
    timer = self->run_delayed(std::max<caf::timespan>(due - now, 1ms), [this] {
      timer_at = time_point{};
      expire();
      arm_timer();
    });
  }

  time_point due_of(const running_call& entry) const {
    if (entry.now != stage::granted)
      return entry.deadline + overdue;
    // What streams may take as long as it moves; its gateway ends it when it does not.
    bool streams = !entry.what.replayable || entry.what.kind == call_kind::file;
    return entry.since + (streams ? stream_timeout : config->lease_timeout);
  }

  time_point next_due() const {
    auto due = time_point::max();
    for (const auto& entry : calls)
      due = std::min(due, due_of(entry));
    return due;
  }

  void expire() {
    auto now = self->clock().now();
    std::vector<call_id> over;
    for (const auto& entry : calls)
      if (due_of(entry) <= now)
        over.push_back(entry.what.id);
    for (auto cid : over) {
      auto* entry = find(cid);
      if (!entry)
        continue;
      if (entry->now != stage::granted) {
        leave_queues(*entry);
        give_up(cid, refuse(ec::deadline_passed, 1s));
        continue;
      }
      log::event(log::level::warning, "call.lost", name, {{"bot", id}},
                 "A granted call was not heard of again; its session is closed.");
      finish(call_done{cid, entry->held, outcome{failure::timeout, 0, now - entry->since}});
    }
  }

  // -- helpers --------------------------------------------------------------------------------

  running_call* find(call_id cid) {
    for (auto& entry : calls)
      if (entry.what.id == cid)
        return &entry;
    return nullptr;
  }

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
  bot_phase phase = bot_phase::starting;
  breaker_state breaker = breaker_state::closed;
  std::uint32_t granted = 0; ///< Entries of `calls` that hold a session, without polls.
  std::uint32_t polls = 0;   ///< Entries that are long polls.
  time_point open_until{};
  time_point timer_at{}; ///< When the timer fires; zero if it is not armed.
  caf::disposable timer;
  std::shared_ptr<services> found;
  std::shared_ptr<const bot_config> config;
  jitter_source jitter;
  std::vector<running_call> calls; ///< In order of arrival.
  std::vector<outcome_sample> samples;
};

} // namespace

bot_actor spawn_bot(caf::actor_system& sys, const start_bot& spec, std::uint32_t incarnation,
                    std::shared_ptr<services> found, std::shared_ptr<const bot_config> config) {
  // Lazily: a bot's state is made by its first message, so 100,000 idle ones start at once.
  return sys.spawn<bot_actor::stateful_impl<bot_state>, caf::lazy_init>(
    spec, incarnation, std::move(found), std::move(config));
}

} // namespace troupe

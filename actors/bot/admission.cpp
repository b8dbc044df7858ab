#include "actors/bot/state.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/store.hpp"

#include <caf/const_typed_message_view.hpp>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// A service that restarts is asked again after this pause.
constexpr caf::timespan admission_pause = 25ms;

/// A bot that starts waits no longer for health to say how its breaker stands.
constexpr caf::timespan breaker_patience = 100ms;

/// So long the answer may be on its way that says whether a call can go at once.
constexpr caf::timespan at_once_time = 1s;

/// When governor or pool says that trying again makes sense; zero: it cannot tell.
caf::timespan told_by(const caf::error& why) {
  auto context = caf::make_const_typed_message_view<refusal>(why.context());
  return context ? get<0>(context).retry_after : caf::timespan{0};
}

} // namespace

caf::error refuse_in(bot_phase phase) {
  if (phase == bot_phase::pending)
    return caf::make_error(store_refusal::not_verified);
  return refuse(phase == bot_phase::unauthorized ? ec::unauthorized : ec::suspended);
}

caf::result<grant> bot_state::admit(const call& c) {
  touch();
  if (!takes_call(phase, c.own))
    return refuse_call(c, refuse_in(phase));
  auto now = self->clock().now();
  bool probe = false;
  if (auto wait = early ? caf::timespan{0} : breaker_wait(now, c, probe); wait.count() > 0)
    return refuse_call(c, refuse(ec::breaker_open, wait));
  // Whoever waits, waits in the governor or in the pool, where a full chat or an exhausted budget
  // holds up nobody else; how many of a bot's calls run at once is theirs to bound too.
  bool full =
    c.kind == call_kind::long_poll ? polls >= limits().max_polls : waiting() >= limits().max_queue;
  // Governor and pool may have no wait for it all the same, or can tell how long it would be.
  if (full && (early || c.kind == call_kind::long_poll))
    return refuse_call(c, refuse(ec::queue_full, 1s));
  auto caller = found->cluster ? watch_caller() : caf::actor_addr{}; // A promise takes the sender.
  auto& entry = calls.emplace_back();
  entry.what = c;
  entry.caller = std::move(caller);
  entry.answer = self->make_response_promise<grant>();
  entry.impatient = c.patience.count() <= 0;
  entry.deadline = now + (entry.impatient ? at_once_time : c.patience);
  entry.since = entry.came = now;
  entry.probe = probe;
  entry.full = full;
  if (entry.poll())
    ++polls;
  auto answer = entry.answer;
  if (!early)
    ask_for_grant(entry);
  arm_timer();
  return answer;
}

void bot_state::ask_breaker() {
  auto health = found->health.get();
  early = static_cast<bool>(health);
  if (early)
    self->request(health, breaker_patience, bot_started{id})
      .then([this] { breaker_known(); }, [this](const caf::error&) { breaker_known(); });
}

void bot_state::breaker_known() {
  early = false;
  std::vector<call_id> waited;
  for (const auto& entry : calls)
    waited.push_back(entry.what.id);
  auto now = self->clock().now();
  for (auto cid : waited) {
    auto* entry = find(cid);
    if (!entry) // Refused with another one.
      continue;
    if (auto wait = breaker_wait(now, entry->what, entry->probe); wait.count() > 0)
      give_up(cid, refuse(ec::breaker_open, wait));
    else
      ask_for_grant(*entry);
  }
}

std::uint32_t bot_state::waiting() const noexcept {
  return static_cast<std::uint32_t>(calls.size()) - polls - granted;
}

caf::timespan bot_state::breaker_wait(time_point now, const call& c, bool& probe) {
  if (breaker == breaker_state::closed)
    return 0s;
  if (breaker == breaker_state::open && now < open_until)
    return open_until - now;
  breaker = breaker_state::half_open; // Also when health has forgotten: time alone allows a probe.
  // A long poll takes too long to keep others from probing.
  if (c.kind != call_kind::long_poll && probing)
    return 1s;
  probe = true;
  probing = probing || c.kind != call_kind::long_poll;
  return 0s;
}

void bot_state::ask_for_grant(running_call& entry) {
  auto now = self->clock().now();
  entry.now = stage::waiting;
  auto left = entry.deadline - now;
  if (left.count() <= 0)
    return give_up(entry.what.id, refuse(ec::deadline_passed, 1s));
  if (entry.full || entry.impatient)
    left = caf::timespan{0};
  auto call_id = entry.what.id;
  auto chat = entry.what.produces_message ? entry.what.chat : chat_ref{};
  auto on_lease = [this, call_id, chat](const lease& lent) { hand_out(call_id, chat, lent); };
  auto used = entry.last_permit;
  auto on_error = [this, call_id, used](caf::error& why) {
    grant_refused(call_id, used, std::move(why));
  };
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
    entry.asked_as = id;
    self
      ->request(pool, caf::infinite,
                lease_request{id, spec.tenant, c.id, c.kind, c.lane, left, 0, 0})
      .then(on_lease, on_error);
    return;
  }
  if (entry.full)
    return give_up(call_id, refuse(ec::queue_full, 1s));
  ask_again(call_id);
}

void bot_state::ask_again(call_id cid) {
  self->run_delayed(admission_pause, [this, cid] {
    if (auto* entry = find(cid); entry && entry->now == stage::waiting)
      ask_for_grant(*entry);
  });
}

void bot_state::hand_out(call_id cid, const chat_ref& charged, const lease& lent) {
  auto* entry = find(cid);
  if (!entry || entry->now != stage::waiting) { // Given up meanwhile: nothing was written.
    if (lent.permitted_at != 0)
      notify(found->rate_governor.get(),
             permit_unused{id, spec.tenant, charged, lent.permitted_at, cid, 0});
    notify(found->session_pool.get(), lease_return{lent.id, true});
    return;
  }
  auto now = self->clock().now();
  entry->waited += now - entry->since;
  entry->since = now;
  entry->now = stage::granted;
  entry->full = false;
  entry->held = lent;
  entry->last_permit = lent.permitted_at;
  if (!entry->poll())
    ++granted;
  entry->answer.deliver(grant{cid, lent, entry->attempt, entry->waited});
  arm_timer();
}

void bot_state::grant_refused(call_id cid, std::int64_t used, caf::error why) {
  // Errors of the actor system: the service died with our request.
  bool died = why.category() == caf::type_id_v<caf::sec>;
  bool no_place = why == ec::no_session;
  auto retry_after = told_by(why);
  // It was refused before there was a permit.
  bool foreseen = no_place && retry_after.count() > 0;
  if (died || (no_place && !foreseen)) // There may have been a permit, and nothing was sent for it.
    notify(found->rate_governor.get(), permit_unused{id, spec.tenant, {}, 0, cid, used});
  auto* entry = find(cid);
  if (!entry || entry->now != stage::waiting)
    return;
  if (entry->full)
    return give_up(cid, refuse(ec::queue_full, died ? caf::timespan{1s} : retry_after));
  if (died)
    return ask_again(cid);
  // The governor itself says so only when the time is over, or will be: it was the pool that had no
  // place for this credit, since it is a new one or has fewer places now. The governor knows that
  // by now.
  if (no_place && !foreseen && !entry->impatient && entry->what.kind == call_kind::request
      && entry->deadline > self->clock().now())
    return ask_for_grant(*entry);
  give_up(cid, std::move(why));
}

} // namespace troupe::bot

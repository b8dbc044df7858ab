#include "actors/bot/state.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "runtime/policy/mutation.hpp"
#include "runtime/registry/call_event.hpp"

#include <algorithm>

namespace troupe::bot {
namespace {

/// Whether the upstream certainly did not act on the request, or doing it twice does no harm.
bool may_repeat(const call& c, const outcome& how) noexcept {
  if (!c.replayable)
    return false;
  switch (how.what) {
  case failure::not_sent:
    return true;
  case failure::broken:
  case failure::timeout:
  case failure::aborted: // Its session was closed with a pool that died.
    return c.repeatable || TROUPE_MUTATION("repeated-blindly");
  case failure::none:
    return how.status == 429 || (is_server_fault(how.status) && c.repeatable);
  default:
    return false;
  }
}

/// Whether an outcome counts as a failure of the upstream (architecture.md: transport errors,
/// timeouts, 5xx).
bool is_failure(const outcome& how) noexcept {
  return how.what != failure::none || is_server_fault(how.status);
}

/// Whether the answer shows that the upstream knows the token.
bool proves_token(const outcome& how) noexcept {
  return how.what == failure::none && how.status != 401 && how.status != 404 && how.status < 500;
}

} // namespace

caf::result<grant> bot_state::decide_retry(const attempt_failed& x) {
  auto* entry = find(x.id);
  if (!entry || entry->now != stage::granted || entry->held.id != x.session.id)
    return caf::make_error(ec::not_retried);
  give_back(*entry, x.how.reusable);
  learn(*entry, x.how);
  auto now = self->clock().now();
  entry->deadline = now + x.patience;
  entry->ended = outcome_label(x.how);
  auto pause = retry_pause(*entry, x.how);
  if (pause.count() < 0 || pause >= x.patience) {
    tell_end(*entry, entry->ended);
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

caf::timespan bot_state::retry_pause(const running_call& entry, const outcome& how) {
  if (entry.attempt > limits().retries || !may_repeat(entry.what, how)
      || !takes_call(phase, entry.what.own) || breaker != breaker_state::closed)
    return caf::timespan{-1};
  // After a 429 the governor holds the chat or the bot for as long as the upstream asked; polls and
  // files do not pass it.
  if (how.what == failure::none && how.status == 429)
    return entry.what.kind == call_kind::request
             ? caf::timespan{0}
             : std::max<caf::timespan>(how.retry_after, std::chrono::seconds{1});
  return limits().retry_delay.delay(entry.attempt, jitter.next());
}

void bot_state::finish(const call_done& x) {
  auto* entry = find(x.id);
  // Without a lease: its gateway died, and the grant with it. Nothing was written.
  bool lost = x.session.id == 0;
  if (!entry || entry->now != stage::granted || (!lost && entry->held.id != x.session.id))
    return;
  if ((lost || x.how.unsent) && entry->held.permitted_at != 0) {
    auto charged = entry->what.produces_message ? entry->what.chat : chat_ref{};
    notify(found->rate_governor.get(),
           permit_unused{id, spec.tenant, charged, entry->held.permitted_at, x.id, 0});
  }
  give_back(*entry, x.how.reusable);
  learn(*entry, x.how);
  if (!x.how.unsent && !lost) // Else whoever took it sees to it, or its client is gone.
    tell_end(*entry, outcome_label(x.how));
  release(x.id);
}

void bot_state::give_back(running_call& entry, bool reusable) {
  if (reusable || !TROUPE_MUTATION("lease-kept"))
    notify(found->session_pool.get(), lease_return{entry.held.id, reusable});
  entry.held = lease{};
  entry.now = stage::pausing;
  if (!entry.poll())
    --granted;
}

void bot_state::learn(running_call& entry, const outcome& how) {
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
  samples.push_back(outcome_sample{now.time_since_epoch().count(), how.latency, how.status,
                                   how.what, probe, entry.poll()});
  if (is_failure(how) || probe || how.status == 401 || samples.size() >= limits().batch_size)
    flush();
  else if (samples.size() == 1)
    self->run_delayed(limits().batch_delay, [this] { flush(); });
}

void bot_state::flush() {
  if (samples.empty())
    return;
  outcome_batch batch{id, proven, {}};
  batch.samples.swap(samples);
  if (auto health = found->health.get())
    self->send(health, std::move(batch));
}

void bot_state::prove() {
  proven = true;
  if (spec.claimed == 0)
    return;
  auto message = identity_proven{id, spec.claimed};
  notify(found->rate_governor.get(), message);
  notify(found->bots_of(spec.bot), message);
  id = spec.claimed;
}

void bot_state::cancel(call_id cid) {
  auto* entry = find(cid);
  if (!entry || entry->now == stage::granted) // A granted call reports its own end.
    return;
  leave_queues(*entry);
  give_up(cid, caf::make_error(ec::cancelled));
}

void bot_state::leave_queues(const running_call& entry) {
  if (entry.now != stage::waiting)
    return;
  if (entry.what.kind == call_kind::request)
    notify(found->rate_governor.get(), permit_cancel{id, entry.what.id});
  else
    notify(found->session_pool.get(), lease_cancel{entry.asked_as, entry.what.id});
}

void bot_state::give_up(call_id cid, caf::error why) {
  auto* entry = find(cid);
  auto answer = std::move(entry->answer);
  bool first = entry->attempt == 1;
  if (entry->probe && !entry->poll())
    probing = false;
  // One that goes on where the bot is now, or that nobody wants any more, is not over here.
  if (why != ec::cancelled && !(first && why == ec::stopped))
    tell_end(*entry, first ? refusal_label(why) : entry->ended);
  release(cid);
  answer.deliver(first ? std::move(why) : caf::make_error(ec::not_retried));
}

void bot_state::release(call_id cid) {
  auto entry =
    std::find_if(calls.begin(), calls.end(), [cid](const auto& c) { return c.what.id == cid; });
  if (entry->poll())
    --polls;
  calls.erase(entry);
  if (calls.empty() && calls.capacity() > 8)
    calls.shrink_to_fit(); // An idle bot costs little.
}

void bot_state::refuse_waiting(const caf::error& why) {
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

} // namespace troupe::bot

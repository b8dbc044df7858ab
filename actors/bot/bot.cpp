#include "actors/bot/inbox.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/updates.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/mutation.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe::bot {
namespace {

using namespace std::chrono_literals;

/// A call that waits so long past its deadline was forgotten by governor or pool.
constexpr caf::timespan overdue = 500ms;

/// No upload or download is given up before.
constexpr caf::timespan stream_timeout = std::chrono::hours{24};

} // namespace

bot_state::bot_state(bot_actor::pointer self, const start_bot& spec, std::uint32_t incarnation,
                     std::shared_ptr<services> found, std::shared_ptr<const live_bot_config> config)
  : self(self), spec(spec), id(spec.bot), proven(spec.proven), found(std::move(found)),
    config(std::move(config)),
    jitter(static_cast<std::uint64_t>(spec.bot) * 0x9E3779B97F4A7C15u + incarnation) {
  last_used = self->clock().now();
  ask_breaker();
  move_to(spec.pending ? bot_phase::pending : bot_phase::active);
}

bot_state::~bot_state() {
  if (samples.empty())
    return;
  if (auto health = found->health.get())
    caf::anon_send(health, outcome_batch{id, proven, std::move(samples)});
}

bot_actor::behavior_type bot_state::make_behavior() {
  if (found->cluster)
    self->set_down_handler([this](const caf::down_msg& x) { caller_lost(x.source); });
  return {
    [this](const call& c) { return admit(c); },
    [this](const call_done& x) { finish(x); },
    [this](const attempt_failed& x) { return decide_retry(x); },
    [this](const call_cancelled& x) { cancel(x.id); },
    [this](const answer_streams& x) {
      if (auto* entry = find(x.id))
        entry->streams = true;
    },
    [this](const breaker_change& x) { change_breaker(x); },
    [this](const bot_command& x) { obey(x.to); },
    [this](const updates_ready&) {
      touch();
      if (found->updates)
        inbox::of(*this).told();
    },
    [this](const pull_request& x) {
      touch();
      return found->updates ? inbox::of(*this).pull(x)
                            : caf::result<pull_answer>{refuse(ec::not_pulled)};
    },
    [this](const pull_cancel& x) {
      if (updates)
        updates->cancel(x);
    },
    [this](const troupe::passivate& x) { return passivate(x); },
    [this](const get_report&) { return report(); },
  };
}

void bot_state::touch() {
  ++uses;
  last_used = self->clock().now();
}

passivation bot_state::passivate(const troupe::passivate& x) {
  passivation said;
  said.uses = static_cast<std::uint32_t>(std::max(uses, 0));
  said.unused_for = self->clock().now() - last_used;
  // Whoever it was started for is on the way.
  bool awaited = uses < 0 && said.unused_for < 200ms;
  bool rests =
    !awaited && calls.empty() && phase == bot_phase::active && (!updates || updates->rests());
  uses = std::min(uses, 0); // Its first use is still to come, or it was told of all.
  said.goes = rests && said.uses <= x.spare && said.unused_for >= x.unused_for;
  if (!said.goes)
    return said;
  // What it knows others hold: health its breaker, the governor its windows, the journal its
  // updates, the delivery book where they go.
  move_to(bot_phase::passivating);
  flush();
  self->quit(caf::make_error(ec::passivated));
  return said;
}

bot_report bot_state::report() const {
  auto delivering = updates ? static_cast<std::uint32_t>(updates->under_way()) : 0;
  return {id, phase, granted + polls, waiting(), breaker, delivering};
}

void bot_state::change_breaker(const breaker_change& x) {
  breaker = x.state;
  // A probe that is still out remains the one, except for a breaker that opens anew.
  if (x.state == breaker_state::closed) {
    probing = false;
    for (auto& entry : calls)
      entry.probe = false;
  }
  if (x.state == breaker_state::open) {
    open_until = self->clock().now() + x.open_for;
    refuse_waiting(refuse(ec::breaker_open, x.open_for));
  }
}

void bot_state::obey(bot_phase to) {
  if (to == phase || !may_follow(phase, to))
    return;
  move_to(to);
  if (found->updates && (updates || to == bot_phase::active))
    inbox::of(*this).phase_changed();
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

void bot_state::move_to(bot_phase to) {
  if (may_follow(phase, to))
    phase = to;
}

void bot_state::arm_timer() {
  auto due = next_due();
  if (TROUPE_MUTATION("deadline-ignored"))
    return;
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

time_point bot_state::due_of(const running_call& entry) const {
  if (entry.now != stage::granted)
    return entry.deadline + overdue;
  // What streams may take as long as it moves; its gateway ends it when it does not.
  bool streams = entry.streams || !entry.what.replayable || entry.what.kind == call_kind::file;
  return entry.since + (streams ? stream_timeout : limits().lease_timeout);
}

time_point bot_state::next_due() const {
  auto due = time_point::max();
  for (const auto& entry : calls)
    due = std::min(due, due_of(entry));
  return due;
}

void bot_state::expire() {
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

running_call* bot_state::find(call_id cid) {
  for (auto& entry : calls)
    if (entry.what.id == cid)
      return &entry;
  return nullptr;
}

} // namespace troupe::bot

namespace troupe {

bot_actor spawn_bot(caf::actor_system& sys, const start_bot& spec, std::uint32_t incarnation,
                    std::shared_ptr<services> found,
                    std::shared_ptr<const live_bot_config> config) {
  // Lazily: a bot's state is made by its first message, so 100,000 idle ones start at once.
  return sys.spawn<bot_actor::stateful_impl<bot::bot_state>, caf::lazy_init>(
    spec, incarnation, std::move(found), std::move(config));
}

} // namespace troupe

#include "runtime/policy/grant_engine.hpp"

#include "runtime/policy/mutation.hpp"

#include <algorithm>

namespace troupe {
namespace {

charge to_charge(const fair_queue::waiter& w) noexcept {
  return {w.bot, w.lane.charged ? w.lane.chat : 0, w.tenant, w.lane.group, w.lane.paid};
}

} // namespace

grant_engine::grant_engine(const grant_limits& limits, grant_memory& memory,
                           const unseen_past& past, time_point now)
  : limits_(limits), memory_(&memory), budgets_(limits.budgets) {
  replay(past, now);
  share();
}

/// One node of many: its global window is in its slice's book, which outlives every other.
void grant_engine::share() {
  if (memory_->slice)
    budgets_.share(*memory_->slice);
  if (memory_->tenant_shares)
    budgets_.share(*memory_->tenant_shares);
  if (memory_->owned)
    budgets_.see_shards(memory_->owned->since);
}

void grant_engine::replay(const unseen_past& past, time_point now) {
  if (TROUPE_MUTATION("windows-forgotten"))
    return;
  auto hold_rates = [&](time_point until) {
    for (auto scope : {budget_scope::global, budget_scope::tenant, budget_scope::bot})
      budgets_.hold(scope, until);
  };
  if (!memory_->used) {
    memory_->used = true;
    auto until = [now](duration x) { return x > duration{0} ? now + x : time_point::min(); };
    memory_->rates_full_until = until(past.rates);
    memory_->chats_full_until = until(past.chats);
    memory_->groups_full_until = until(past.groups);
  }
  hold_rates(memory_->rates_full_until);
  budgets_.hold(budget_scope::chat, memory_->chats_full_until);
  budgets_.hold(budget_scope::group, memory_->groups_full_until);
  memory_->bot_rates.for_each(
    [&](std::int64_t bot, std::uint32_t rps) { budgets_.limit_bot(bot, rps, now, true); });
  memory_->tenant_rates.for_each(
    [&](std::uint32_t tenant, std::uint32_t rps) { budgets_.limit_tenant(tenant, rps); });
  memory_->rates.for_each([&](time_point at, const charge& x) { budgets_.record_rates(x, at); });
  memory_->chats.for_each([&](time_point at, const charge& x) { budgets_.record_chat(x, at); });
  if (memory_->owned)
    for (const auto& [at, what] : memory_->owned->inherited)
      budgets_.inherit_chat(what, at, now);
  // What the log lost is no younger than `lost_until`; beyond that every stamp is known.
  if (auto lost = memory_->rates.lost_until(); lost != time_point::min())
    hold_rates(lost + std::chrono::seconds{1});
  if (auto lost = memory_->chats.lost_until(); lost != time_point::min()) {
    budgets_.hold(budget_scope::chat, lost + limits_.budgets.chat.longest());
    budgets_.hold(budget_scope::group, lost + limits_.budgets.group.longest());
  }
}

// -- deciding ------------------------------------------------------------------------------------

/// When the next grant may happen; max: not before a message.
/// @param calm to somebody who may have what is kept of the budget
time_point grant_engine::gate(time_point now, bool calm) noexcept {
  if (credits_ == 0)
    return time_point::max();
  if (upstream_ == upstream::open) {
    if (now < open_until_)
      return open_until_;
    upstream_half_opens();
  }
  if (upstream_ == upstream::half_open && probe_credits_ > 0) {
    if (now < probe_until_)
      return probe_until_;
    probe_credits_ = 0;
  }
  return budgets_.global_opens(now, 0, calm);
}

std::uint32_t grant_engine::cap_of(std::int64_t bot) const noexcept {
  auto cap = per_bot_ == 0 || per_bot_ >= capacity_ ? capacity_ : per_bot_;
  if (auto* own = memory_->bot_caps.size() == 0 ? nullptr : memory_->bot_caps.find(bot))
    cap = *own;
  return cap;
}

bool grant_engine::at_cap(std::int64_t bot) const noexcept {
  auto cap = cap_of(bot);
  if (cap >= capacity_)
    return false;
  auto* out = leased_.find(bot);
  return out && out->count >= cap;
}

fair_queue::decision grant_engine::judge(const fair_queue::waiter& w, time_point now) {
  using enum fair_queue::action;
  auto x = to_charge(w);
  if (auto at = budgets_.tenant_opens(x, now); at > now)
    return {park_tenant, at};
  if (at_cap(w.bot))
    return {park_bot, time_point::max()};
  if (auto at = memory_->holds.bot_free_at(w.bot); at > now)
    return {park_bot, at};
  if (auto at = budgets_.bot_opens(x, now); at > now)
    return {queue_.has_paid(w.bot) ? park_lane : park_bot, at};
  auto at = std::max(memory_->holds.chat_free_at(w.bot, w.lane.chat, w.lane.method),
                     budgets_.chat_opens(x, now));
  return at > now ? fair_queue::decision{park_lane, at} : fair_queue::decision{};
}

bool grant_engine::calm(std::uint32_t tenant, time_point now) const noexcept {
  return budgets_.kept(now) > 0 && !queue_.waits(tenant) && budgets_.calm(tenant, now);
}

void grant_engine::charge_all(const fair_queue::waiter& w, time_point now) {
  auto x = to_charge(w);
  budgets_.record_rates(x, now);
  memory_->rates.append(now, x, w.call);
  if (x.chat != 0) {
    budgets_.record_chat(x, now);
    memory_->chats.append(now, x, w.call);
  }
  times_.pass(now, held());
  --credits_;
  ++granted_total_;
  auto& lessee = leased_.touch(w.bot);
  lessee.times.pass(now, lessee.count);
  auto out = ++lessee.count;
  if (upstream_ == upstream::half_open) {
    probe_until_ = now + limits_.probe_timeout;
    probe_bot_ = w.bot;
    probe_credits_ = out;
  }
}

grant_engine::answer grant_engine::ask(const grant_request& x, time_point now) {
  auto refuse = [this](result what, duration retry_after) {
    ++refused_;
    return answer{what, fair_queue::none, retry_after};
  };
  if (upstream_ == upstream::open && now < open_until_)
    return refuse(result::refused_upstream, open_until_ - now);
  fair_queue::waiter w{x.bot,
                       x.tenant,
                       x.call,
                       {x.chat, x.method, x.charged, x.group, x.paid},
                       now + std::clamp(x.patience, duration{0}, duration{std::chrono::hours{24}})};
  budgets_.see(x.tenant);
  if (memory_->tenant_shares && budgets_.tenant_rate(x.tenant) > 0)
    memory_->tenant_shares->want(x.tenant, now);
  // Who has waiters of the same kind before it goes behind them; all others in the queue are
  // parked, or the gate is closed to them.
  auto behind = !queue_.empty() && queue_.waiting_in_lane(w) > 0;
  if (!behind && gate(now, calm(x.tenant, now)) <= now
      && judge(w, now).what == fair_queue::action::take) {
    charge_all(w, now);
    return {};
  }
  if (queue_.empty())
    slips_ = {};
  auto expected = estimate(w, now);
  if (expected.scope != budget_scopes)
    ++throttled_[expected.scope];
  // It is told when those are gone who wait now; not before its patience would have been over.
  auto wait = std::max(expected.plain - now, x.patience + duration{1});
  if (expected.budget > w.deadline)
    return refuse(result::refused_patience, wait);
  if (expected.session > w.deadline || x.patience <= duration::zero())
    return refuse(result::refused_session,
                  x.patience > duration::zero() ? wait : expected.plain - now);
  if (queue_.size() >= limits_.max_waiting)
    return refuse(result::refused_full, std::max<duration>(wait, std::chrono::seconds{1}));
  auto at = queue_.push(w);
  if (at >= promised_.size())
    promised_.resize(std::size_t{at} + 1);
  promised_[at] = {now, expected.turns, expected.rest, expected.by};
  if (memory_->tenant_shares)
    memory_->tenant_shares->hurry(x.tenant, short_of_tenant(x.tenant), now);
  // Its bot may be parked for what binds only unpaid requests.
  if (x.paid)
    queue_.wake_bot(x.bot);
  return {result::waiting, at, duration{0}};
}

/// When this request would go at the earliest, with those before it in the queue.
grant_engine::forecast grant_engine::estimate(const fair_queue::waiter& w, time_point now) const {
  auto x = to_charge(w);
  auto ahead = queue_.ahead_of(w);
  forecast result{now, now, now};
  auto consider = [&](budget_scope s, time_point at) {
    if (at > result.budget) {
      result.budget = at;
      result.scope = static_cast<std::size_t>(s);
    }
  };
  share_waits(result, w, x, ahead, now);
  auto together = std::max(result.budget, result.session);
  consider(budget_scope::bot, budgets_.bot_opens(x, now, ahead.bot));
  consider(x.group ? budget_scope::group : budget_scope::chat,
           budgets_.chat_opens(x, now, ahead.lane));
  result.budget = std::max({result.budget, memory_->holds.bot_free_at(w.bot),
                            memory_->holds.chat_free_at(w.bot, w.lane.chat, w.lane.method)});
  if (result.budget > together) {
    result.by = shared::nothing;
    result.plain = std::max(result.plain, result.budget);
  }
  return result;
}

/// What all bots, or those of a tenant, wait for together. Others who come later may go first.
void grant_engine::share_waits(forecast& to, const fair_queue::waiter& w, const charge& x,
                               const fair_queue::backlog& ahead, time_point now) const {
  auto latest = now;
  auto worst = [&](shared by, time_point first, time_point last) {
    auto by_turns = std::max(last - std::max(first, now), duration{0});
    if (last > latest) {
      latest = last;
      to.by = by;
      to.turns = by_turns;
      to.rest = last - by_turns - now;
    }
    return last - by_turns + slips_[static_cast<std::size_t>(by)].worst(by_turns);
  };
  auto consider = [&](budget_scope s, time_point at) {
    if (at > to.budget) {
      to.budget = at;
      to.scope = static_cast<std::size_t>(s);
    }
  };
  // Where nearly all is taken of what can go before its deadline, a bot is let have its share of
  // that, and no more: others come in who have theirs.
  auto global = [&](std::uint32_t n) { return budgets_.global_expected(now, n); };
  auto tenant = [&](std::uint32_t n) { return budgets_.tenant_expected(x, now, n); };
  to.plain = std::max({to.plain, global(std::max(ahead.global, ahead.global_all)),
                       tenant(std::max(ahead.tenant, ahead.tenant_all))});
  if (budgets_.without_slice(now)
      || budgets_.without_slice(x.tenant,
                                now)) // Who is told to come again finds one at the earliest then.
    to.plain = std::max<time_point>(to.plain, now + std::chrono::seconds{1});
  auto crowded = [&](auto& opens, std::uint32_t all) { return opens(all + all / 4) > w.deadline; };
  auto turns = crowded(global, ahead.global_all) ? ahead.global_crowd : ahead.global;
  consider(budget_scope::global, worst(shared::global, global(0), global(turns)));
  turns = crowded(tenant, ahead.tenant_all) ? ahead.tenant_crowd : ahead.tenant;
  consider(budget_scope::tenant, worst(shared::tenant, tenant(0), tenant(turns)));
  to.session = now;
  if (capacity_ == 0)
    return;
  // While sessions are all that is missing, those who wait for their own share of them count, too.
  if (credits_ == 0) {
    auto at = now + times_.mean(now, held()) * (std::int64_t{ahead.most} + 1) / capacity_;
    to.session = worst(shared::sessions, now, at);
    to.plain = std::max(to.plain, at);
  }
  if (at_cap(w.bot)) {
    auto& lessee = *leased_.find(w.bot);
    auto own = std::int64_t{ahead.bot} + 1;
    auto at = now + lessee.times.mean(now, lessee.count) * own / cap_of(w.bot);
    to.session = std::max(to.session, worst(shared::sessions, now, at));
    to.plain = std::max(to.plain, at);
  }
}

/// A waiter goes, or its time is over: how long it took, compared with what was foretold.
void grant_engine::learn(slot at, time_point now, bool cut) {
  auto& x = promised_[at];
  slips_[static_cast<std::size_t>(x.by)].learn(x.turns, now - x.since - x.rest, cut);
}

/// When somebody who waited in vain should try again.
duration grant_engine::retry_after(const fair_queue::waiter& w, time_point now) const {
  if (upstream_ == upstream::open)
    return std::max(open_until_ - now, duration{0});
  return estimate(w, now).plain - now;
}

grant_engine::departure grant_engine::why_late(slot at, time_point now) const noexcept {
  auto& w = queue_[at];
  if (upstream_ != upstream::closed)
    return departure::upstream;
  // A session was all it lacked: none is free, or its bot has its share.
  if (at_cap(w.bot) || (credits_ == 0 && !queue_.parked(at) && budgets_.global_opens(now) <= now))
    return departure::session;
  return departure::deadline;
}

grant_engine::slot grant_engine::cancel(std::int64_t bot, std::uint64_t call) {
  auto at = queue_.find(bot, call);
  if (at != fair_queue::none)
    leave(at);
  return at;
}

time_point grant_engine::next_due(time_point now) const noexcept {
  if (queue_.empty())
    return time_point::max();
  auto result = queue_.next_deadline();
  if (credits_ == 0)
    return result;
  // What is parked matters only when the gate is open by then.
  auto open = upstream_ == upstream::open ? std::max(open_until_, now) : now;
  if (upstream_ == upstream::half_open && probe_credits_ > 0)
    open = std::max(open, probe_until_);
  open = std::max(open, budgets_.global_opens(now));
  auto candidate = queue_.ready() ? open : std::max(queue_.next_wake(), open);
  return std::min(result, candidate);
}

} // namespace troupe

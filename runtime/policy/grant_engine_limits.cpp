#include "runtime/policy/grant_engine.hpp"

#include <algorithm>

/// Limits that change while requests are granted, and grants that were not used.
namespace troupe {

void grant_engine::give_back(std::int64_t bot, std::int64_t chat, time_point stamp) {
  auto x = memory_->rates.revoke(stamp, bot, chat);
  if (!x) // Given back before, or so old that it counts nowhere.
    return;
  if (x->chat != 0)
    memory_->chats.revoke(stamp, bot, chat);
  take_back(*x, stamp);
}

void grant_engine::give_back_last(std::uint64_t call, time_point after, time_point now) {
  after = std::max(after, now - std::chrono::seconds{1});
  auto found = memory_->rates.revoke_call(call, after);
  if (!found)
    return;
  if (found->what.chat != 0)
    memory_->chats.revoke_call(call, after);
  take_back(found->what, found->at);
}

void grant_engine::take_back(const charge& x, time_point stamp) {
  budgets_.remove(x, stamp);
  queue_.wake_bot(x.bot);
  queue_.wake_tenant(x.tenant);
}

void grant_engine::set_limits(const budget_limits& limits, time_point now) {
  // A new book, written from the log of what was granted, as a new governor's is: exact however
  // the limits change, and whatever was not counted before because it had no limit.
  auto uncounted = memory_->slice && !limits_.budgets.global.limited();
  auto free_tenants = memory_->tenant_shares && !limits_.budgets.tenant.limited();
  limits_.budgets = limits;
  budgets_ = budgets{limits};
  replay(unseen_past::none(), now);
  share();
  if (uncounted) // A slice counts only while there is a limit.
    memory_->slice->hold(now + memory_->slice->window());
  if (free_tenants && limits.tenant.limited())
    memory_->tenant_shares->unseen(now + tenant_slices::window, [this](std::uint32_t tenant) {
      return !memory_->tenant_rates.find(tenant);
    });
  queue_.wake_all();
}

void grant_engine::charge_chat(const charge& x, time_point now) {
  budgets_.record_chat(x, now);
  memory_->chats.append(now, x);
}

void grant_engine::limit_bot(std::int64_t bot, std::uint32_t rps, time_point now) {
  memory_->bot_rates.touch(bot) = rps;
  while (memory_->bot_rates.size() > limits_.budgets.max_bots)
    memory_->bot_rates.erase_oldest();
  budgets_.limit_bot(bot, rps, now);
  queue_.wake_bot(bot);
}

void grant_engine::limit_tenant(std::uint32_t tenant, std::uint32_t rps, time_point now) {
  auto* known = memory_->tenant_rates.find(tenant);
  if ((known ? *known : 0) == rps)
    return;
  auto before = budgets_.tenant_rate(tenant);
  if (rps == 0)
    memory_->tenant_rates.erase(tenant);
  else
    memory_->tenant_rates.touch(tenant) = rps;
  budgets_.limit_tenant(tenant, rps == 0 ? std::nullopt : std::optional{rps});
  queue_.wake_tenant(tenant);
  if (memory_->tenant_shares) { // Its window outlives this book.
    if (before == 0 && memory_->rates.size() > 0)
      memory_->tenant_shares->unseen(now + tenant_slices::window,
                                     [=](std::uint32_t one) { return one == tenant; });
    return;
  }
  // From the log, as a new governor's: it may have had no limit, and nothing was counted.
  memory_->rates.for_each([&](time_point at, const charge& x) {
    if (x.tenant == tenant)
      budgets_.record_tenant(tenant, at);
  });
  if (auto lost = memory_->rates.lost_until(); lost != time_point::min())
    budgets_.hold(budget_scope::tenant, lost + std::chrono::seconds{1});
}

void grant_engine::limit_tenants(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& rates,
                                 time_point now) {
  recent_map<std::uint32_t, std::uint32_t> wanted;
  for (auto [tenant, rps] : rates)
    wanted.touch(tenant) = rps;
  memory_->tenant_rates.for_each([&](std::uint32_t tenant, std::uint32_t) {
    if (!wanted.find(tenant))
      wanted.touch(tenant) = 0;
  });
  wanted.for_each([&](std::uint32_t tenant, std::uint32_t rps) { limit_tenant(tenant, rps, now); });
}

std::uint32_t grant_engine::short_of_slice(time_point now) const noexcept {
  if (queue_.empty() || credits_ == 0 || upstream_ != upstream::closed)
    return 0;
  // What is parked wakes only while the gate is open.
  return std::max(queue_.ready_waiters(), queue_.next_wake() <= now ? 1u : 0u);
}

std::uint32_t grant_engine::short_of_tenant(std::uint32_t tenant) const noexcept {
  return credits_ == 0 || upstream_ != upstream::closed ? 0 : queue_.ready_waiters(tenant);
}

void grant_engine::take_tenant(std::uint32_t tenant, const slice_grant& x, time_point now) {
  memory_->tenant_shares->take(tenant, x, now);
  queue_.wake_tenant(tenant);
}

void grant_engine::cap_bot(std::int64_t bot, std::uint32_t concurrent) {
  memory_->bot_caps.touch(bot) = concurrent;
  while (memory_->bot_caps.size() > limits_.budgets.max_bots)
    memory_->bot_caps.erase_oldest();
  queue_.wake_bot(bot);
}

void grant_engine::unlimit_bot(std::int64_t bot, time_point now) {
  memory_->bot_rates.erase(bot);
  budgets_.limit_bot(bot, limits_.budgets.bot.rules[0].limit, now);
  queue_.wake_bot(bot);
}

void grant_engine::uncap_bot(std::int64_t bot) {
  memory_->bot_caps.erase(bot);
  queue_.wake_bot(bot);
}

} // namespace troupe

#include "runtime/policy/budgets.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr auto second = std::chrono::seconds{1};
const sliding_window untouched;

rate_rules per_second(std::uint32_t rps) noexcept {
  return {{rate_rule{rps, second}, {}}};
}

/// Forgets windows at the front of `table` that are empty: two per event keep up with what comes
/// in.
template <class Table>
void forget_empty(Table& table, duration longest, time_point now) {
  for (int i = 0; i < 2 && !table.empty() && table.oldest().empty(longest, now); ++i)
    table.erase_oldest();
}

} // namespace

budgets::budgets(const budget_limits& limits) : limits_(limits) {}

rate_rules budgets::rules_of(std::int64_t bot) const noexcept {
  if (!own_rates_.empty())
    if (auto* own = own_rates_.find(bot))
      return per_second(*own);
  return limits_.bot;
}

rate_rules budgets::tenant_rules(std::uint32_t tenant) const noexcept {
  if (!own_tenant_rates_.empty())
    if (auto* own = own_tenant_rates_.find(tenant))
      return per_second(*own);
  return limits_.tenant;
}

rate_rules budgets::lifted_rules(const rate_rules& own) const noexcept {
  if (!own.limited() || !limits_.lifted.limited())
    return {};
  return per_second(std::max(own.rules[0].limit, limits_.lifted.rules[0].limit));
}

time_point budgets::global_opens(time_point now, std::uint32_t ahead, bool calm) const noexcept {
  if (!limits_.global.limited())
    return now;
  if (slice_) {
    auto most = global_limit(now) - (calm ? 0 : kept(now));
    return std::max(held(budget_scope::global), slice_->opens(now, ahead, most));
  }
  auto rules = limits_.global;
  rules.rules[0].limit -= calm ? 0 : kept(now);
  return std::max(held(budget_scope::global), global_.opens(rules, now, ahead));
}

time_point budgets::global_expected(time_point now, std::uint32_t ahead) const noexcept {
  if (!slice_ || !limits_.global.limited())
    return global_opens(now, ahead);
  return std::max(
    held(budget_scope::global),
    slice_->expected(now, ahead, limits_.global.rules[0].limit, slice_->holders(), kept(now)));
}

void budgets::see(std::uint32_t tenant) noexcept {
  if (!seen_)
    seen_ = tenant;
  several_ = several_ || *seen_ != tenant;
}

bool budgets::calm(std::uint32_t tenant, time_point now) const noexcept {
  auto* had = shares_.find(tenant);
  auto tenants = static_cast<std::uint32_t>(shares_.size()) + (had ? 0 : 1);
  return !had || had->opens(per_second(std::max(global_limit(now) / tenants, 1u)), now) <= now;
}

time_point budgets::tenant_opens(const charge& x, time_point now,
                                 std::uint32_t ahead) const noexcept {
  auto rules = tenant_rules(x.tenant);
  if (!rules.limited())
    return now;
  if (tenant_slices_) {
    const auto* slice = std::as_const(*tenant_slices_).find(x.tenant);
    return slice
             ? std::max(held(budget_scope::tenant), slice->opens(now, ahead, rules.rules[0].limit))
             : time_point::max();
  }
  auto* window = tenants_.find(x.tenant);
  return std::max(held(budget_scope::tenant),
                  (window ? *window : untouched).opens(rules, now, ahead));
}

time_point budgets::tenant_expected(const charge& x, time_point now,
                                    std::uint32_t ahead) const noexcept {
  auto rules = tenant_rules(x.tenant);
  if (!tenant_slices_ || !rules.limited())
    return tenant_opens(x, now, ahead);
  const auto* slice = std::as_const(*tenant_slices_).find(x.tenant);
  return std::max(held(budget_scope::tenant), slice
                                                ? slice->expected(now, ahead, rules.rules[0].limit,
                                                                  slice_ ? slice_->holders() : 0)
                                                : untouched.opens(rules, now, ahead));
}

bool budgets::without_slice(std::uint32_t tenant, time_point now) const noexcept {
  if (!tenant_slices_ || !tenant_rules(tenant).limited())
    return false;
  const auto* slice = std::as_const(*tenant_slices_).find(tenant);
  return !slice || slice->limit(now) == 0;
}

time_point budgets::bot_opens(const charge& x, time_point now, std::uint32_t ahead) const noexcept {
  auto own = rules_of(x.bot);
  if (!own.limited())
    return now;
  auto result = std::max(
    {held(budget_scope::bot), now, seen(shards_ ? &shards_->rates : nullptr, x.bot, second)});
  auto lifted = lifted_rules(own);
  auto* windows = bots_.find(x.bot);
  if (!windows) {
    if (bots_.size() >= limits_.max_bots)
      result = std::max(result, bots_.oldest().plain.empty_at(second));
    return std::max(result, untouched.opens(x.paid ? lifted : own, now, ahead));
  }
  if (!x.paid)
    result = std::max(result, windows->plain.opens(own, now, ahead));
  if (windows->lifted)
    result = std::max(result, windows->lifted->opens(lifted, now, ahead));
  else if (x.paid)
    result = std::max(result, windows->plain.opens(lifted, now, ahead));
  return result;
}

time_point budgets::chat_opens(const charge& x, time_point now,
                               std::uint32_t ahead) const noexcept {
  auto& rules = x.group ? limits_.group : limits_.chat;
  if (x.chat == 0 || !rules.limited())
    return now;
  auto& table = x.group ? groups_ : chats_;
  auto result = std::max({held(x.group ? budget_scope::group : budget_scope::chat), now,
                          seen(shards_ ? &shards_->chats : nullptr, x.bot, rules.longest())});
  if (auto* window = table.find({x.bot, x.chat}))
    return std::max(result, window->opens(rules, now, ahead));
  if (table.size() >= limits_.max_chats)
    result = std::max(result, table.oldest().empty_at(rules.longest()));
  return std::max(result, untouched.opens(rules, now, ahead));
}

void budgets::forget_empty_bots(time_point now) {
  for (int i = 0; i < 2 && !bots_.empty(); ++i) {
    auto& front = bots_.oldest();
    if (!front.plain.empty(second, now) || (front.lifted && !front.lifted->empty(second, now)))
      return;
    bots_.erase_oldest();
  }
}

void budgets::record_rates(const charge& x, time_point now) {
  if (limits_.global.limited()) {
    if (slice_)
      slice_->record(now);
    else
      global_.record(limits_.global, now);
  }
  see(x.tenant);
  if (several_ && limits_.global.rules[0].limit >= 100) {
    forget_empty(shares_, second, now);
    shares_.touch(x.tenant).record(limits_.global, now);
  }
  record_tenant(x.tenant, now);
  auto own = rules_of(x.bot);
  if (!own.limited())
    return;
  forget_empty_bots(now);
  auto lifted = lifted_rules(own);
  auto& windows = bots_.touch(x.bot);
  if (x.paid && !windows.lifted && lifted.limited()) {
    windows.lifted = std::make_unique<sliding_window>();
    windows.lifted->merge(lifted, windows.plain, now);
  }
  if (windows.lifted) {
    if (!x.paid && windows.lifted->empty(second, now))
      windows.lifted.reset();
    else
      windows.lifted->record(lifted, now);
  }
  if (!x.paid)
    windows.plain.record(own, now);
}

void budgets::record_tenant(std::uint32_t tenant, time_point now) {
  auto rules = tenant_rules(tenant);
  if (!rules.limited())
    return;
  if (tenant_slices_) {
    if (auto* slice = tenant_slices_->find(tenant))
      slice->record(now);
    return;
  }
  forget_empty(tenants_, second, now);
  tenants_.touch(tenant).record(rules, now);
}

void budgets::record_chat(const charge& x, time_point now) {
  auto& rules = x.group ? limits_.group : limits_.chat;
  if (x.chat == 0 || !rules.limited())
    return;
  auto& table = x.group ? groups_ : chats_;
  forget_empty(table, rules.longest(), now);
  table.touch({x.bot, x.chat}).record(rules, now);
}

void budgets::inherit_chat(const charge& x, time_point at, time_point now) {
  auto& rules = x.group ? limits_.group : limits_.chat;
  if (x.chat == 0 || !rules.limited() || now - at >= rules.longest())
    return;
  sliding_window one;
  one.record(rules, at);
  (x.group ? groups_ : chats_).touch({x.bot, x.chat}).merge(rules, one, now);
}

void budgets::forget_chat(const charge& x) {
  (x.group ? groups_ : chats_).erase({x.bot, x.chat});
}

void budgets::remove(const charge& x, time_point stamp) noexcept {
  if (slice_)
    slice_->remove(stamp);
  else
    global_.remove(stamp);
  if (auto* window = shares_.find(x.tenant))
    window->remove(stamp);
  if (auto* window = tenants_.find(x.tenant))
    window->remove(stamp);
  if (auto* slice = tenant_slices_ ? tenant_slices_->find(x.tenant) : nullptr)
    slice->remove(stamp);
  if (auto* windows = bots_.find(x.bot)) {
    if (windows->lifted)
      windows->lifted->remove(stamp);
    if (!x.paid)
      windows->plain.remove(stamp);
  }
  if (x.chat != 0)
    if (auto* window = (x.group ? groups_ : chats_).find({x.bot, x.chat}))
      window->remove(stamp);
}

void budgets::limit_bot(std::int64_t bot, std::uint32_t rps, time_point now, bool seen) {
  seen = seen || rules_of(bot).limited();
  if (rps == limits_.bot.rules[0].limit)
    own_rates_.erase(bot);
  else
    own_rates_.touch(bot) = rps;
  while (own_rates_.size() > limits_.max_bots)
    own_rates_.erase_oldest();
  // Without a limit nothing was counted, so the last second is unseen.
  if (!seen && rps > 0) {
    auto& windows = bots_.touch(bot);
    windows.plain.hold(now + second);
    if (windows.lifted)
      windows.lifted->hold(now + second);
  }
}

void budgets::limit_tenant(std::uint32_t tenant, std::optional<std::uint32_t> rps) {
  if (rps)
    own_tenant_rates_.touch(tenant) = *rps;
  else
    own_tenant_rates_.erase(tenant);
  tenants_.erase(tenant);
}

void budgets::merge_chats(chat_table& table, const rate_rules& rules, std::int64_t from,
                          std::int64_t to, time_point now) {
  std::vector<std::int64_t> moved;
  table.for_each([&](const chat_key& key, const sliding_window&) {
    if (key.bot == from)
      moved.push_back(key.chat);
  });
  for (auto chat : moved) {
    auto window = std::move(*table.find({from, chat}));
    table.erase({from, chat});
    table.touch({to, chat}).merge(rules, window, now);
  }
}

void budgets::merge_bot(std::int64_t from, std::int64_t to, time_point now) {
  if (auto* own = own_rates_.find(from)) {
    auto rps = *own;
    own_rates_.erase(from);
    if (!own_rates_.find(to))
      own_rates_.touch(to) = rps;
  }
  if (auto* found = bots_.find(from)) {
    auto old = std::move(*found);
    bots_.erase(from);
    auto own = rules_of(to);
    auto lifted = lifted_rules(own);
    auto& windows = bots_.touch(to);
    if (old.lifted || windows.lifted) {
      auto all = std::make_unique<sliding_window>();
      all->merge(lifted, windows.lifted ? *windows.lifted : windows.plain, now);
      all->merge(lifted, old.lifted ? *old.lifted : old.plain, now);
      windows.lifted = std::move(all);
    }
    windows.plain.merge(own, old.plain, now);
  }
  merge_chats(chats_, limits_.chat, from, to, now);
  merge_chats(groups_, limits_.group, from, to, now);
}

void budgets::hold(budget_scope scope, time_point until) noexcept {
  auto& held = held_until_[static_cast<std::size_t>(scope)];
  held = std::max(held, until);
}

budgets::usage budgets::used(budget_scope scope, time_point now) const {
  usage result;
  auto add = [&](const sliding_window& window, const rate_rule& rule) {
    result.used = std::max<std::uint64_t>(result.used, window.used(rule.length, now));
  };
  auto table = [&](const auto& windows, const rate_rules& rules) {
    result.rule = rules.rules[1].limit > 0 ? rules.rules[1] : rules.rules[0];
    result.windows = windows.size();
    windows.for_each([&](auto&, const sliding_window& window) { add(window, result.rule); });
  };
  switch (scope) {
  case budget_scope::global:
    result = {limits_.global.rules[0], 0, limits_.global.limited() ? 1u : 0u};
    if (slice_ && limits_.global.limited()) {
      result.rule.limit = global_limit(now);
      result.used = slice_->used(now);
    } else {
      add(global_, result.rule);
    }
    break;
  case budget_scope::tenant:
    if (tenant_slices_)
      result = {limits_.tenant.rules[0], tenant_slices_->used(now), tenant_slices_->size()};
    else
      table(tenants_, limits_.tenant);
    break;
  case budget_scope::bot:
    result = {limits_.bot.rules[0], 0, bots_.size()};
    bots_.for_each([&](std::int64_t, const bot_windows& x) {
      add(x.lifted ? *x.lifted : x.plain, result.rule);
    });
    break;
  case budget_scope::chat:
    table(chats_, limits_.chat);
    break;
  case budget_scope::group:
    table(groups_, limits_.group);
    break;
  }
  const std::array rules{&limits_.global, &limits_.tenant, &limits_.bot, &limits_.chat,
                         &limits_.group};
  result.limited = rules[static_cast<std::size_t>(scope)]->limited();
  return result;
}

} // namespace troupe

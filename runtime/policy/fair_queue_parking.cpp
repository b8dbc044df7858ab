#include "runtime/policy/fair_queue.hpp"

#include "runtime/policy/index_chain.hpp"

#include <algorithm>

namespace troupe {

using index_chain::append;
using index_chain::unlink;

// -- parking and waking --------------------------------------------------------------------------

void fair_queue::park(slot candidate, const decision& d) {
  auto lane = waiters_[candidate].lane;
  auto bot = lanes_[lane].bot;
  auto tenant = bots_[bot].tenant;
  auto timed = d.until != time_point::max();
  switch (d.what) {
  case action::park_lane:
    park_lane(lane);
    if (timed)
      lane_wakes_.set(lane, d.until);
    return settle_bot(bot);
  case action::park_bot:
    bots_[bot].parked = true;
    if (timed)
      bot_wakes_.set(bot, d.until);
    return settle_bot(bot);
  case action::park_tenant:
    tenants_[tenant].parked = true;
    if (timed)
      tenant_wakes_.set(tenant, d.until);
    return settle_tenant(tenant);
  case action::take:
    return;
  }
}

void fair_queue::park_lane(std::uint32_t lane) {
  auto& node = lanes_[lane];
  auto& bot = bots_[node.bot];
  auto get = [this](auto l) -> links& { return lanes_[l].in_bot; };
  unlink(bot.ready_lanes, lane, get);
  append(bot.parked_lanes, lane, get);
  node.parked = true;
  bot.ready -= node.count;
}

void fair_queue::unpark_lane(std::uint32_t lane) {
  auto& node = lanes_[lane];
  auto& bot = bots_[node.bot];
  lane_wakes_.remove(lane);
  unlink(bot.parked_lanes, lane, [this](auto l) -> links& { return lanes_[l].in_bot; });
  node.parked = false;
  bot.ready += node.count;
  insert_ready(lane, false);
}

void fair_queue::wake_due(time_point now) {
  while (!tenant_wakes_.empty() && tenant_wakes_.first_due() <= now)
    wake_tenant_node(tenant_wakes_.first());
  while (!bot_wakes_.empty() && bot_wakes_.first_due() <= now)
    wake_bot_node(bot_wakes_.first(), false);
  while (!lane_wakes_.empty() && lane_wakes_.first_due() <= now) {
    auto lane = lane_wakes_.first();
    unpark_lane(lane);
    settle_bot(lanes_[lane].bot);
  }
}

void fair_queue::wake_bot_node(std::uint32_t bot, bool lanes) {
  bot_wakes_.remove(bot);
  bots_[bot].parked = false;
  while (lanes && bots_[bot].parked_lanes.first != none)
    unpark_lane(bots_[bot].parked_lanes.first);
  settle_bot(bot);
}

void fair_queue::wake_tenant_node(std::uint32_t tenant) {
  tenant_wakes_.remove(tenant);
  tenants_[tenant].parked = false;
  settle_tenant(tenant);
}

void fair_queue::wake_bot(std::int64_t bot) {
  if (auto* known = bot_index_.find(bot))
    wake_bot_node(*known, true);
}

void fair_queue::wake_tenant(std::uint32_t tenant) {
  if (auto* known = tenant_index_.find(tenant))
    wake_tenant_node(*known);
}

void fair_queue::wake_all() {
  tenant_index_.for_each([this](std::uint32_t, std::uint32_t at) { wake_tenant_node(at); });
  bot_index_.for_each([this](std::int64_t, std::uint32_t at) { wake_bot_node(at, true); });
}

/// Puts a bot into its tenant's ring, or takes it out, as its state wants.
void fair_queue::settle_bot(std::uint32_t bot) {
  auto& node = bots_[bot];
  auto wanted = !node.parked && node.ready_lanes.first != none;
  if (wanted == node.in_ring)
    return;
  node.in_ring = wanted;
  auto& tenant = tenants_[node.tenant];
  auto get = [this](auto b) -> links& { return bots_[b].in_tenant; };
  if (wanted) {
    append(tenant.ring, bot, get);
    ++tenant.ready_bots;
  } else {
    unlink(tenant.ring, bot, get);
    --tenant.ready_bots;
  }
  settle_tenant(node.tenant);
}

void fair_queue::settle_tenant(std::uint32_t tenant) {
  auto& node = tenants_[tenant];
  auto wanted = !node.parked && node.ring.first != none;
  if (wanted == node.in_ring)
    return;
  node.in_ring = wanted;
  chain queue{first_tenant_, last_tenant_};
  auto get = [this](auto t) -> links& { return tenants_[t].in_queue; };
  if (wanted)
    append(queue, tenant, get);
  else
    unlink(queue, tenant, get);
  first_tenant_ = queue.first;
  last_tenant_ = queue.last;
}

// -- asking --------------------------------------------------------------------------------------

bool fair_queue::parked(slot at) const noexcept {
  auto& lane = lanes_[waiters_[at].lane];
  auto& bot = bots_[lane.bot];
  return lane.parked || bot.parked || tenants_[bot.tenant].parked;
}

bool fair_queue::has_paid(std::int64_t bot) const noexcept {
  auto* known = bot_index_.find(bot);
  return known && bots_[*known].paid > 0;
}

time_point fair_queue::next_wake() const noexcept {
  auto result = time_point::max();
  for (auto* heap : {&lane_wakes_, &bot_wakes_, &tenant_wakes_})
    if (!heap->empty())
      result = std::min(result, heap->first_due());
  return result;
}

fair_queue::backlog fair_queue::ahead_of(const waiter& x) const noexcept {
  constexpr int depth = 64;
  backlog result;
  result.lane = waiting_in_lane(x);
  auto* bot = bot_index_.find(x.bot);
  if (bot)
    result.bot = bots_[*bot].ready;
  auto own = tenant_index_.find(x.tenant);
  result.tenant = result.bot;
  if (own) {
    // In turns, every other bot goes at most once more often than this one has waiters.
    auto b = tenants_[*own].ring.first;
    auto seen = 0u;
    for (int i = 0; i < depth && b != none; ++i, ++seen, b = bots_[b].in_tenant.next)
      if (!bot || b != *bot)
        result.tenant += std::min(bots_[b].ready, result.bot + 1);
    result.tenant += tenants_[*own].ready_bots - seen;
  }
  result.global = result.tenant;
  auto t = first_tenant_;
  for (int i = 0; i < depth && t != none; ++i, t = tenants_[t].in_queue.next)
    if (!own || t != *own)
      result.global += std::min(tenants_[t].ready_bots, result.tenant + 1);
  return result;
}

} // namespace troupe

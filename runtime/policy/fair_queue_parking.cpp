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
  drop_ready(node.bot, node.count);
}

void fair_queue::unpark_lane(std::uint32_t lane) {
  auto& node = lanes_[lane];
  auto& bot = bots_[node.bot];
  lane_wakes_.remove(lane);
  unlink(bot.parked_lanes, lane, [this](auto l) -> links& { return lanes_[l].in_bot; });
  node.parked = false;
  add_ready(node.bot, node.count);
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

/// What a bot has ready counts for its tenant while it is in the ring.
void fair_queue::add_ready(std::uint32_t bot, std::uint32_t n) {
  bots_[bot].ready += n;
  auto& tenant = tenants_[bots_[bot].tenant];
  if (bots_[bot].in_ring)
    tenant.ready += n;
  if (bots_[bot].in_ring && tenant.in_ring)
    ready_ += n;
}

void fair_queue::drop_ready(std::uint32_t bot, std::uint32_t n) {
  bots_[bot].ready -= n;
  auto& tenant = tenants_[bots_[bot].tenant];
  if (bots_[bot].in_ring)
    tenant.ready -= n;
  if (bots_[bot].in_ring && tenant.in_ring)
    ready_ -= n;
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
    tenant.ready += node.ready;
    if (tenant.in_ring)
      ready_ += node.ready;
  } else {
    unlink(tenant.ring, bot, get);
    --tenant.ready_bots;
    tenant.ready -= node.ready;
    if (tenant.in_ring)
      ready_ -= node.ready;
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
  if (wanted) {
    append(queue, tenant, get);
    ready_ += node.ready;
    ++ready_tenants_;
  } else {
    unlink(queue, tenant, get);
    ready_ -= node.ready;
    --ready_tenants_;
  }
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
  constexpr std::uint32_t depth = 64;
  // Turns of `count` others: those that were looked at, and the rest as the average of these.
  auto of_all = [](std::uint64_t turns, std::uint32_t seen, std::uint32_t count) {
    return static_cast<std::uint32_t>(seen == 0 ? 0 : turns * count / seen);
  };
  backlog result;
  result.lane = waiting_in_lane(x);
  auto* bot = bot_index_.find(x.bot);
  if (bot)
    result.bot = bots_[*bot].ready;
  auto own = tenant_index_.find(x.tenant);
  result.tenant = result.bot;
  auto others = size();
  auto in_tenant = result.bot;
  if (own) {
    const auto& tenant = tenants_[*own];
    // In turns, every other bot goes at most once more often than this one has waiters.
    auto b = tenant.ring.first;
    std::uint64_t turns = 0;
    auto seen = 0u;
    auto count = tenant.ready_bots - (bot && bots_[*bot].in_ring ? 1u : 0u);
    for (std::uint32_t i = 0; i < depth && b != none; ++i, b = bots_[b].in_tenant.next)
      if (!bot || b != *bot) {
        turns += std::min(bots_[b].ready, result.bot + 1);
        ++seen;
      }
    result.tenant += of_all(turns, seen, count);
    others -= tenant.waiters;
    in_tenant = std::min(tenant.waiters, (result.bot + 1) * tenant.bots);
  }
  result.global = result.tenant;
  auto t = first_tenant_;
  std::uint64_t turns = 0;
  auto seen = 0u;
  auto in_queue = own && tenants_[*own].in_ring ? 1u : 0u;
  for (std::uint32_t i = 0; i < depth && t != none; ++i, t = tenants_[t].in_queue.next)
    if (!own || t != *own) {
      turns += std::min(tenants_[t].ready, result.tenant + 1);
      ++seen;
    }
  result.global += of_all(turns, seen, ready_tenants_ - in_queue);
  auto tenants = static_cast<std::uint64_t>(tenant_index_.size()) - (own ? 1u : 0u);
  result.most = in_tenant
                + static_cast<std::uint32_t>(
                  std::min<std::uint64_t>(others, tenants * (std::uint64_t{in_tenant} + 1)));
  auto rounds = [](std::uint64_t turns, std::uint64_t members) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>((turns + 1) * members - 1, none));
  };
  result.tenant_crowd = result.tenant;
  if (own && tenants_[*own].ready_bots > 0) {
    result.tenant_all = tenants_[*own].ready;
    result.tenant_crowd = std::max(result.tenant, rounds(result.bot, tenants_[*own].ready_bots));
  }
  result.global_all = ready_;
  result.global_crowd = result.global;
  if (ready_tenants_ > 0)
    result.global_crowd = std::max(result.global, rounds(result.tenant_crowd, ready_tenants_));
  return result;
}

} // namespace troupe

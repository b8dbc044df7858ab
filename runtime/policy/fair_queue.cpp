#include "runtime/policy/fair_queue.hpp"

#include "runtime/policy/index_chain.hpp"

#include <algorithm>

namespace troupe {

using index_chain::append;
using index_chain::insert_before;
using index_chain::unlink;

template <class T>
std::uint32_t fair_queue::pool<T>::make() {
  if (free.empty()) {
    nodes.emplace_back();
    return static_cast<std::uint32_t>(nodes.size() - 1);
  }
  auto i = free.back();
  free.pop_back();
  return i;
}

template <class T>
void fair_queue::pool<T>::drop(std::uint32_t i) {
  nodes[i] = T{};
  free.push_back(i);
}

std::uint64_t fair_queue::lane_hash::operator()(const lane_id& x) const noexcept {
  auto flags = (x.key.charged ? 1u : 0u) | (x.key.group ? 2u : 0u) | (x.key.paid ? 4u : 0u);
  auto low = (std::uint64_t{x.key.method} << 3) | flags;
  return mix(mix(static_cast<std::uint64_t>(x.bot)) ^ static_cast<std::uint64_t>(x.key.chat))
         + mix(low);
}

// -- finding and making --------------------------------------------------------------------------

std::uint32_t fair_queue::tenant_of(std::uint32_t id) {
  if (auto* known = tenant_index_.find(id))
    return *known;
  auto i = tenants_.make();
  tenants_[i].id = id;
  tenant_index_.touch(id) = i;
  return i;
}

std::uint32_t fair_queue::bot_of(const waiter& x) {
  if (auto* known = bot_index_.find(x.bot))
    return *known;
  auto tenant = tenant_of(x.tenant);
  ++tenants_[tenant].bots;
  auto i = bots_.make();
  bots_[i].id = x.bot;
  bots_[i].tenant = tenant;
  bot_index_.touch(x.bot) = i;
  return i;
}

std::uint32_t fair_queue::lane_of(const waiter& x) {
  if (auto* known = lane_index_.find({x.bot, x.lane}))
    return *known;
  auto bot = bot_of(x);
  auto i = lanes_.make();
  lanes_[i].key = x.lane;
  lanes_[i].bot = bot;
  lane_index_.touch({x.bot, x.lane}) = i;
  return i;
}

fair_queue::slot fair_queue::find(std::int64_t bot, std::uint64_t call) const noexcept {
  auto* known = call_index_.find({bot, call});
  return known ? *known : none;
}

// -- in and out ----------------------------------------------------------------------------------

fair_queue::slot fair_queue::push(const waiter& x) {
  auto lane = lane_of(x);
  auto i = waiters_.make();
  auto& node = waiters_[i];
  node.what = x;
  node.sequence = ++sequence_;
  node.lane = lane;
  node.used = true;
  auto fresh = lanes_[lane].count == 0;
  append(lanes_[lane].waiters, i, [this](auto w) -> links& { return waiters_[w].in_lane; });
  ++lanes_[lane].count;
  auto& bot = bots_[lanes_[lane].bot];
  bot.paid += x.lane.paid;
  ++tenants_[bot.tenant].waiters;
  if (!lanes_[lane].parked)
    add_ready(lanes_[lane].bot, 1);
  if (fresh)
    insert_ready(lane, true);
  call_index_.touch({x.bot, x.call}) = i;
  deadlines_.set(i, x.deadline);
  settle_bot(lanes_[lane].bot);
  return i;
}

void fair_queue::insert_ready(std::uint32_t lane, bool newest) {
  auto get = [this](auto l) -> links& { return lanes_[l].in_bot; };
  auto& list = bots_[lanes_[lane].bot].ready_lanes;
  if (newest)
    return append(list, lane, get);
  // What was taken out is usually older than what is there.
  auto age = [this](auto l) { return waiters_[lanes_[l].waiters.first].sequence; };
  auto place = list.first;
  while (place != none && age(place) < age(lane))
    place = lanes_[place].in_bot.next;
  insert_before(list, place, lane, get);
}

void fair_queue::remove(slot at) {
  auto lane = waiters_[at].lane;
  auto bot = lanes_[lane].bot;
  auto& node = lanes_[lane];
  auto was_first = node.waiters.first == at;
  auto get_lane = [this](auto l) -> links& { return lanes_[l].in_bot; };
  if (was_first) // Its place among the lanes follows from its first waiter.
    unlink(node.parked ? bots_[bot].parked_lanes : bots_[bot].ready_lanes, lane, get_lane);
  unlink(node.waiters, at, [this](auto w) -> links& { return waiters_[w].in_lane; });
  --node.count;
  bots_[bot].paid -= node.key.paid;
  --tenants_[bots_[bot].tenant].waiters;
  if (!node.parked)
    drop_ready(bot, 1);
  if (node.count == 0) {
    lane_wakes_.remove(lane);
    lane_index_.erase({bots_[bot].id, node.key});
    lanes_.drop(lane);
  } else if (was_first && node.parked) {
    append(bots_[bot].parked_lanes, lane, get_lane);
  } else if (was_first) {
    insert_ready(lane, false);
  }
  auto& gone = waiters_[at].what;
  if (auto* known = call_index_.find({gone.bot, gone.call}); known && *known == at)
    call_index_.erase({gone.bot, gone.call});
  deadlines_.remove(at);
  waiters_.drop(at);
  settle_bot(bot);
  drop_bot_if_idle(bot);
}

void fair_queue::drop_bot_if_idle(std::uint32_t bot) {
  auto& node = bots_[bot];
  if (node.ready_lanes.first != none || node.parked_lanes.first != none)
    return;
  auto tenant = node.tenant;
  bot_wakes_.remove(bot);
  bot_index_.erase(node.id);
  bots_.drop(bot);
  if (--tenants_[tenant].bots == 0) {
    tenant_wakes_.remove(tenant);
    tenant_index_.erase(tenants_[tenant].id);
    tenants_.drop(tenant);
  }
}

void fair_queue::take(slot at) {
  auto bot = lanes_[waiters_[at].lane].bot;
  auto tenant = bots_[bot].tenant;
  // Whoever had a turn goes to the end, so it must be moved before it may vanish.
  auto get_bot = [this](auto b) -> links& { return bots_[b].in_tenant; };
  unlink(tenants_[tenant].ring, bot, get_bot);
  append(tenants_[tenant].ring, bot, get_bot);
  chain queue{first_tenant_, last_tenant_};
  auto get_tenant = [this](auto t) -> links& { return tenants_[t].in_queue; };
  unlink(queue, tenant, get_tenant);
  append(queue, tenant, get_tenant);
  first_tenant_ = queue.first;
  last_tenant_ = queue.last;
  remove(at);
}

void fair_queue::merge_bot(std::int64_t from, std::int64_t to) {
  auto* known = bot_index_.find(from);
  if (!known)
    return;
  wake_bot_node(*known, true);
  std::vector<std::pair<slot, waiter>> moved;
  while ((known = bot_index_.find(from))) {
    auto at = lanes_[bots_[*known].ready_lanes.first].waiters.first;
    moved.emplace_back(at, waiters_[at].what);
    remove(at);
  }
  // Freed slots come back in reverse order of their release, so each waiter keeps its own.
  auto& free = waiters_.free;
  free.resize(free.size() - moved.size());
  for (auto i = moved.rbegin(); i != moved.rend(); ++i)
    free.push_back(i->first);
  for (auto& [at, what] : moved) {
    what.bot = to;
    push(what);
  }
}

} // namespace troupe

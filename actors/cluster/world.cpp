#include "actors/cluster/world.hpp"

#include <algorithm>

namespace troupe::clustering {

void world::apply(const key_space& keys, const etcd::entry& x) {
  at = std::max(at, x.modified);
  auto place = keys.read(x.key);
  bool gone = x.created == 0;
  switch (place.what) {
  case key_space::kind::node: {
    auto record = gone ? std::nullopt : read_node(x.value);
    if (record)
      nodes[place.name] = {std::move(*record), x.lease, x.created};
    else
      nodes.erase(place.name);
    return;
  }
  case key_space::kind::drain:
    if (gone)
      draining.erase(place.name);
    else
      draining.insert(place.name);
    return;
  case key_space::kind::leader:
    leader = gone ? ownership{} : ownership{x.value, x.lease, x.created};
    return;
  case key_space::kind::plan:
    plan = gone ? shard_plan{} : read_plan(x.value).value_or(shard_plan{});
    return;
  case key_space::kind::shard:
    shards[place.shard] = gone ? ownership{} : ownership{x.value, x.lease, x.created};
    return;
  case key_space::kind::ask: // Heard once, kept by nobody: letters.cpp.
  case key_space::kind::given:
  case key_space::kind::other:
    return;
  }
}

bool world::is_draining(const std::string& node) const {
  auto found = nodes.find(node);
  return draining.contains(node) || (found != nodes.end() && found->second.what.leaving);
}

std::vector<std::string> world::names() const {
  std::vector<std::string> result;
  for (const auto& [name, x] : nodes)
    result.push_back(name);
  return result;
}

const std::string& world::target(shard_id shard) const {
  static const std::string nobody;
  auto index = plan.owners[shard];
  if (index >= plan.nodes.size() || !nodes.contains(plan.nodes[index]))
    return nobody;
  return plan.nodes[index];
}

std::optional<shard_plan> world::next_plan(std::size_t max_moves) const {
  shard_plan next;
  next.nodes = names();
  std::vector<shard_node> given;
  for (const auto& name : next.nodes)
    given.push_back({nodes.at(name).what.capacity, is_draining(name)});
  auto index_of = [&next](const std::string& name) {
    auto found = std::ranges::lower_bound(next.nodes, name);
    return found == next.nodes.end() || *found != name
             ? no_node
             : static_cast<std::uint32_t>(found - next.nodes.begin());
  };
  std::size_t moving = 0;
  for (shard_id i = 0; i < shard_count; ++i) {
    next.owners[i] = index_of(target(i));
    bool served = !shards[i].node.empty() && nodes.contains(shards[i].node);
    // Nobody is to have it, and somebody does: whoever it is keeps it.
    if (next.owners[i] == no_node && served)
      next.owners[i] = index_of(shards[i].node);
    else if (served && shards[i].node != target(i))
      ++moving;
  }
  for (const auto& move :
       plan_shard_moves(given, next.owners, max_moves > moving ? max_moves - moving : 0))
    next.owners[move.shard] = move.to;
  if (next.nodes == plan.nodes && next.owners == plan.owners)
    return std::nullopt;
  // Names alone: who left had nothing, who came gets nothing.
  bool same = true;
  for (shard_id i = 0; same && i < shard_count; ++i)
    same = (next.owners[i] == no_node ? std::string{} : next.nodes[next.owners[i]]) == target(i);
  return same ? std::nullopt : std::optional{std::move(next)};
}

} // namespace troupe::clustering

#include "runtime/policy/shard_map.hpp"

#include "runtime/policy/recent_map.hpp"

#include <algorithm>
#include <queue>

namespace troupe {
namespace {

bool takes(const shard_node& node) noexcept {
  return !node.draining && node.capacity > 0;
}

std::vector<std::uint32_t> shards_held(std::size_t nodes, const shard_owners& owners) {
  std::vector<std::uint32_t> result(nodes);
  for (auto owner : owners)
    if (owner != no_node)
      ++result[owner];
  return result;
}

/// A node that is about to get its next shard.
struct shard_claim {
  std::uint32_t node = 0;
  std::uint64_t would_have = 1; ///< With that shard.
  std::uint64_t capacity = 1;
  bool has_it = false; ///< Nothing would move.
};

/// Whether `a` comes after `b`: fractions are compared as integers, so all nodes agree.
struct later_claim {
  bool operator()(const shard_claim& a, const shard_claim& b) const noexcept {
    auto left = a.would_have * b.capacity;
    auto right = b.would_have * a.capacity;
    if (left != right)
      return left > right;
    if (a.has_it != b.has_it)
      return b.has_it;
    return a.node > b.node;
  }
};

/// Nodes by how many shards they are off their share; the one that is off most, on top. Of equals
/// the earlier node.
class shard_surplus {
public:
  void push(std::uint32_t node, std::uint32_t amount, bool urgent) {
    if (amount > 0)
      queue_.push({urgent, amount, node});
  }
  [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
  /// The top one, with one less from now on.
  std::uint32_t take() {
    auto top = queue_.top();
    queue_.pop();
    push(top.node, top.amount - 1, top.urgent);
    return top.node;
  }

private:
  struct item {
    bool urgent;
    std::uint32_t amount;
    std::uint32_t node;
    bool operator<(const item& other) const noexcept {
      if (urgent != other.urgent)
        return other.urgent;
      return amount != other.amount ? amount < other.amount : node > other.node;
    }
  };
  std::priority_queue<item> queue_;
};

} // namespace

shard_id shard_of(std::int64_t bot) noexcept {
  return static_cast<shard_id>(mix(static_cast<std::uint64_t>(bot)) % shard_count);
}

std::vector<std::uint32_t> shard_shares(const std::vector<shard_node>& nodes,
                                        const shard_owners& owners) {
  auto held = shards_held(nodes.size(), owners);
  std::vector<std::uint32_t> shares(nodes.size());
  std::priority_queue<shard_claim, std::vector<shard_claim>, later_claim> claims;
  for (std::uint32_t i = 0; i < nodes.size(); ++i)
    if (takes(nodes[i]))
      claims.push({i, 1, nodes[i].capacity, held[i] > 0});
  for (std::size_t left = claims.empty() ? 0 : shard_count; left > 0; --left) {
    auto next = claims.top();
    claims.pop();
    auto share = ++shares[next.node];
    claims.push({next.node, share + 1u, next.capacity, held[next.node] > share});
  }
  return shares;
}

std::vector<shard_move> plan_shard_moves(const std::vector<shard_node>& nodes,
                                         const shard_owners& owners, std::size_t max_moves) {
  auto shares = shard_shares(nodes, owners);
  auto held = shards_held(nodes.size(), owners);
  shard_surplus givers, takers;
  bool anybody = false;
  for (std::uint32_t i = 0; i < nodes.size(); ++i) {
    anybody = anybody || takes(nodes[i]);
    givers.push(i, held[i] - std::min(held[i], shares[i]), !takes(nodes[i]));
    takers.push(i, shares[i] - std::min(held[i], shares[i]), false);
  }
  std::vector<shard_move> result;
  if (!anybody)
    return result;
  std::vector<std::vector<shard_id>> shards(nodes.size());
  for (std::size_t shard = 0; shard < shard_count; ++shard) {
    auto owner = owners[shard];
    if (owner == no_node)
      result.push_back({static_cast<shard_id>(shard), no_node, takers.take()});
    else
      shards[owner].push_back(static_cast<shard_id>(shard));
  }
  for (; max_moves > 0 && !givers.empty(); --max_moves) {
    auto from = givers.take();
    auto shard = shards[from].back();
    shards[from].pop_back();
    result.push_back({shard, from, takers.take()});
  }
  return result;
}

double shard_imbalance(const std::vector<shard_node>& nodes, const shard_owners& owners) {
  double capacity = 0;
  double all = 0;
  double largest = 0;
  std::vector<std::uint32_t> held = shards_held(nodes.size(), owners);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!takes(nodes[i]))
      continue;
    capacity += nodes[i].capacity;
    all += held[i];
    largest = std::max(largest, static_cast<double>(held[i]) / nodes[i].capacity);
  }
  return all > 0 ? largest * capacity / all : 0;
}

} // namespace troupe

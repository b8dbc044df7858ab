#define CAF_SUITE policy_shard_map
#include "runtime/policy/shard_map.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <random>

namespace troupe::shard_map_suite {

namespace {

constexpr std::size_t all_moves = shard_count;

std::vector<shard_node> equal_nodes(std::size_t n) {
  return std::vector<shard_node>(n);
}

std::vector<std::uint32_t> held(const std::vector<shard_node>& nodes, const shard_owners& owners) {
  std::vector<std::uint32_t> result(nodes.size());
  for (auto owner : owners)
    if (owner != no_node)
      ++result[owner];
  return result;
}

void carry_out(shard_owners& owners, const std::vector<shard_move>& moves) {
  bool sound = true;
  for (auto& move : moves) {
    sound = sound && owners[move.shard] == move.from && move.to != move.from;
    owners[move.shard] = move.to;
  }
  CHECK(sound);
}

shard_owners settled(const std::vector<shard_node>& nodes) {
  auto owners = unowned_shards();
  carry_out(owners, plan_shard_moves(nodes, owners, all_moves));
  return owners;
}

bool takes(const shard_node& node) {
  return !node.draining && node.capacity > 0;
}

/// The smallest possible largest number of shards per capacity, found by trying: whether a bound
/// holds for all is a sum of whole parts.
double best_largest(const std::vector<shard_node>& nodes) {
  double best = 1e9;
  for (auto& one : nodes)
    for (std::uint32_t n = 1; takes(one) && n <= shard_count; ++n) {
      std::uint64_t room = 0;
      for (auto& node : nodes)
        if (takes(node))
          room += std::uint64_t{n} * node.capacity / one.capacity;
      if (room >= shard_count) {
        best = std::min(best, static_cast<double>(n) / one.capacity);
        break;
      }
    }
  return best;
}

/// What must move at least to get to these shares: what somebody has too much.
std::size_t least_moves(const std::vector<shard_node>& nodes, const shard_owners& owners) {
  auto shares = shard_shares(nodes, owners);
  auto has = held(nodes, owners);
  std::size_t result = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    result += has[i] > shares[i] ? has[i] - shares[i] : 0;
  return result;
}

std::vector<shard_node> random_nodes(std::mt19937& rng) {
  std::vector<shard_node> nodes(1 + rng() % 40);
  for (auto& node : nodes) {
    node.capacity = rng() % 8;
    node.draining = rng() % 8 == 0;
  }
  return nodes;
}

/// Any state that failures may leave behind.
shard_owners random_owners(std::mt19937& rng, std::size_t nodes) {
  auto owners = unowned_shards();
  auto unowned = rng() % 3;
  for (auto& owner : owners)
    if (unowned == 0 || rng() % 4 != 0)
      owner = static_cast<std::uint32_t>(rng() % nodes);
  return owners;
}

} // namespace

SCENARIO("a bot's shard never changes") {
  // These are stored: a change here is a change of every installation's data.
  CHECK_EQ(shard_of(0), 0u);
  CHECK_EQ(shard_of(1), 485u);
  CHECK_EQ(shard_of(123456), 280u);
  CHECK_EQ(shard_of(7'000'000'001), 59u);
  CHECK_EQ(shard_of(-5), 846u);
}

SCENARIO("consecutive bot ids spread evenly over the shards") {
  std::vector<int> bots(shard_count);
  for (std::int64_t bot = 7'000'000'000; bot < 7'001'024'000; ++bot)
    ++bots[shard_of(bot)];
  auto [least, most] = std::minmax_element(bots.begin(), bots.end());
  CHECK(*least > 850);
  CHECK(*most < 1150);
}

SCENARIO("equal nodes get equal shares") {
  for (std::size_t n : {1u, 2u, 3u, 7u, 100u, 1024u}) {
    auto has = held(equal_nodes(n), settled(equal_nodes(n)));
    auto [least, most] = std::minmax_element(has.begin(), has.end());
    CHECK_EQ(*least, shard_count / n);
    CHECK_EQ(*most, (shard_count + n - 1) / n);
  }
}

SCENARIO("a node of twice the capacity gets twice the shards") {
  std::vector<shard_node> nodes{{1, false}, {2, false}, {1, false}};
  auto has = held(nodes, settled(nodes));
  CHECK_EQ(has[0], 256u);
  CHECK_EQ(has[1], 512u);
  CHECK_EQ(has[2], 256u);
}

SCENARIO("a node that joins only takes, and what it takes is its share") {
  for (std::size_t n = 1; n < 120; ++n) {
    auto owners = settled(equal_nodes(n));
    auto moves = plan_shard_moves(equal_nodes(n + 1), owners, all_moves);
    CHECK_EQ(moves.size(), shard_count / (n + 1));
    CHECK(std::all_of(moves.begin(), moves.end(), [n](auto& move) { return move.to == n; }));
  }
}

SCENARIO("when a node is lost, its shards go elsewhere at once and no other shard moves") {
  auto nodes = equal_nodes(5);
  auto owners = settled(nodes);
  nodes[2].capacity = 0; // As good as gone: its shards have no owner.
  std::size_t lost = 0;
  for (auto& owner : owners)
    if (owner == 2) {
      owner = no_node;
      ++lost;
    }
  auto moves = plan_shard_moves(nodes, owners, 0);
  CHECK_EQ(moves.size(), lost);
  carry_out(owners, moves);
  CHECK(plan_shard_moves(nodes, owners, all_moves).empty());
  CHECK(shard_imbalance(nodes, owners) < 1.01);
}

SCENARIO("a draining node gives all away in bounded steps and gets nothing") {
  auto nodes = equal_nodes(3);
  auto owners = settled(nodes);
  nodes[1].draining = true;
  owners[5] = no_node;
  std::size_t steps = 0;
  for (; held(nodes, owners)[1] > 0; ++steps) {
    auto moves = plan_shard_moves(nodes, owners, 16);
    REQUIRE(moves.size() <= (steps == 0 ? 17u : 16u));
    for (auto& move : moves)
      CHECK_NE(move.to, 1u);
    carry_out(owners, moves);
  }
  CHECK(steps >= 21);
  CHECK(steps <= 22);
  CHECK(plan_shard_moves(nodes, owners, all_moves).empty());
}

SCENARIO("while nobody takes shards, those that are served stay where they are") {
  auto nodes = equal_nodes(2);
  auto owners = settled(nodes);
  for (auto& node : nodes)
    node.draining = true;
  owners[0] = no_node;
  CHECK(plan_shard_moves(nodes, owners, all_moves).empty());
  CHECK(plan_shard_moves({}, unowned_shards(), all_moves).empty());
  CHECK_EQ(shard_imbalance(nodes, owners), 0.0);
}

SCENARIO("whatever the state, the shares are as even as whole shards can be") {
  std::mt19937 rng{6};
  for (int round = 0; round < 100; ++round) {
    auto nodes = random_nodes(rng);
    auto owners = random_owners(rng, nodes.size());
    auto shares = shard_shares(nodes, owners);
    std::uint32_t sum = 0;
    double largest = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      sum += shares[i];
      CHECK(takes(nodes[i]) || shares[i] == 0);
      if (shares[i] > 0)
        largest = std::max(largest, static_cast<double>(shares[i]) / nodes[i].capacity);
    }
    if (std::none_of(nodes.begin(), nodes.end(), takes)) {
      CHECK_EQ(sum, 0u);
      continue;
    }
    CHECK_EQ(sum, shard_count);
    CHECK(largest <= best_largest(nodes) + 1e-9);
  }
}

SCENARIO("whatever the state, steps of any size come to the shares with no move too many") {
  std::mt19937 rng{7};
  for (int round = 0; round < 100; ++round) {
    auto nodes = random_nodes(rng);
    auto owners = random_owners(rng, nodes.size());
    if (std::none_of(nodes.begin(), nodes.end(), takes))
      continue;
    auto least = least_moves(nodes, owners);
    auto step = 1 + rng() % 60;
    std::vector<int> moved(shard_count);
    std::size_t served_moves = 0;
    for (bool first = true;; first = false) {
      auto moves = plan_shard_moves(nodes, owners, step);
      if (moves.empty())
        break;
      std::size_t served = 0;
      bool sound = true;
      for (auto& move : moves) {
        sound = sound && takes(nodes[move.to]) && ++moved[move.shard] == 1;
        served += move.from != no_node ? 1 : 0;
      }
      CHECK(sound);
      CHECK(served <= step);
      CHECK(first || served == moves.size());
      served_moves += served;
      carry_out(owners, moves);
    }
    CHECK_EQ(served_moves, least);
    CHECK(held(nodes, owners) == shard_shares(nodes, owners));
  }
}

SCENARIO("each change of a node's capacity moves no more than the change asks for") {
  std::mt19937 rng{8};
  std::vector<shard_node> nodes(20);
  for (auto& node : nodes)
    node.capacity = 1 + rng() % 5;
  auto owners = settled(nodes);
  for (int round = 0; round < 100; ++round) {
    auto changed = rng() % nodes.size();
    auto before = nodes[changed].capacity;
    nodes[changed].capacity = rng() % 6;
    auto moves = plan_shard_moves(nodes, owners, all_moves);
    CHECK(std::all_of(moves.begin(), moves.end(), [&](auto& move) {
      return (nodes[changed].capacity > before ? move.to : move.from) == changed;
    }));
    carry_out(owners, moves);
  }
}

} // namespace troupe::shard_map_suite

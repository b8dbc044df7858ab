// bench-shards [--nodes=N] [--bots=N]: a cluster of that size, as the assignment of shards sees it:
// how long an assignment takes, how many bots move when a node joins or leaves against the least
// that must, and how even bots are spread. One JSON object on standard output, times in
// milliseconds; `within_bounds` says whether the project's bounds hold.
#include "runtime/policy/shard_map.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string_view>

using namespace troupe;

namespace {

constexpr double most_moved = 1.1;     ///< Bots moved over the least that must.
constexpr double most_imbalance = 1.1; ///< Bots on the fullest node over the mean, by capacity.
constexpr std::size_t step = 16;       ///< Served shards that move at a time.

struct settings {
  std::size_t nodes = 100;
  std::int64_t bots = 10'000'000;
};

using bots_by_shard = std::vector<std::int64_t>;

/// Ids as the Bot API gives them out: rising, with gaps.
bots_by_shard spread(std::int64_t bots, double& ms) {
  auto begin = std::chrono::steady_clock::now();
  bots_by_shard result(shard_count);
  for (std::int64_t i = 0; i < bots; ++i)
    ++result[shard_of(6'000'000'000 + i * 37)];
  ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

std::int64_t bots_of(const bots_by_shard& bots, const std::vector<shard_move>& moves) {
  std::int64_t result = 0;
  for (auto& move : moves)
    result += bots[move.shard];
  return result;
}

/// Bots per capacity on the fullest node over the mean.
double imbalance(const std::vector<shard_node>& nodes, const shard_owners& owners,
                 const bots_by_shard& bots) {
  std::vector<double> has(nodes.size());
  double all = 0, capacity = 0, largest = 0;
  for (std::size_t shard = 0; shard < shard_count; ++shard) {
    has[owners[shard]] += static_cast<double>(bots[shard]);
    all += static_cast<double>(bots[shard]);
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].draining || nodes[i].capacity == 0)
      continue;
    capacity += nodes[i].capacity;
    largest = std::max(largest, has[i] / nodes[i].capacity);
  }
  return largest * capacity / all;
}

/// One change to the cluster, carried out in bounded steps.
struct change {
  double first_ms = 0; ///< Of the first step's plan.
  std::size_t steps = 0;
  std::size_t shards = 0;
  std::int64_t bots = 0;
  double least_bots = 0;
  double imbalance = 0;

  [[nodiscard]] double ratio() const { return static_cast<double>(bots) / least_bots; }
  [[nodiscard]] bool good() const { return ratio() <= most_moved && imbalance <= most_imbalance; }
  [[nodiscard]] boost::json::object shown() const {
    return {{"plan_ms", first_ms},       {"steps", steps},           {"shards_moved", shards},
            {"bots_moved", bots},        {"least_bots", least_bots}, {"moved_over_least", ratio()},
            {"max_over_mean", imbalance}};
  }
};

change settle(const std::vector<shard_node>& nodes, shard_owners& owners, const bots_by_shard& bots,
              double least_bots) {
  change result;
  result.least_bots = least_bots;
  for (;; ++result.steps) {
    auto begin = std::chrono::steady_clock::now();
    auto moves = plan_shard_moves(nodes, owners, step);
    auto ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin);
    if (result.steps == 0)
      result.first_ms = ms.count();
    if (moves.empty())
      break;
    result.shards += moves.size();
    result.bots += bots_of(bots, moves);
    for (auto& move : moves)
      owners[move.shard] = move.to;
  }
  result.imbalance = imbalance(nodes, owners, bots);
  return result;
}

/// A cluster starts, a node joins, one drains, one is lost.
bool simulate(const char* name, std::vector<shard_node> nodes, const bots_by_shard& bots,
              boost::json::object& out) {
  double all = 0, capacity = 0;
  for (auto n : bots)
    all += static_cast<double>(n);
  for (auto& node : nodes)
    capacity += node.capacity;
  auto owners = unowned_shards();
  auto start = settle(nodes, owners, bots, all);
  // Whatever the assignment, the newcomer must get its part of the bots ...
  nodes.push_back({nodes.front().capacity, false});
  auto part = nodes.back().capacity / (capacity + nodes.back().capacity);
  auto join = settle(nodes, owners, bots, all * part);
  auto bots_on = [&](std::uint32_t node) {
    std::int64_t result = 0;
    for (std::size_t shard = 0; shard < shard_count; ++shard)
      result += owners[shard] == node ? bots[shard] : 0;
    return static_cast<double>(result);
  };
  // ... and whoever leaves must give all it has.
  nodes[1].draining = true;
  auto drain = settle(nodes, owners, bots, bots_on(1));
  nodes[1].capacity = 0;
  auto lost_bots = bots_on(2);
  nodes[2].capacity = 0;
  for (auto& owner : owners)
    owner = owner == 2 ? no_node : owner;
  auto loss = settle(nodes, owners, bots, lost_bots);
  out[name] = boost::json::object{{"start", start.shown()},
                                  {"join", join.shown()},
                                  {"drain", drain.shown()},
                                  {"loss", loss.shown()}};
  return start.good() && join.good() && drain.good() && loss.good();
}

} // namespace

int main(int argc, char** argv) {
  settings given;
  for (int i = 1; i < argc; ++i) {
    std::string_view option{argv[i]};
    auto value = [&](std::string_view name) {
      return option.starts_with(name) ? std::atoll(option.substr(name.size()).data()) : 0;
    };
    if (auto n = value("--nodes="); n >= 3 && n <= 512)
      given.nodes = static_cast<std::size_t>(n);
    else if (auto m = value("--bots="); m > 0)
      given.bots = m;
    else {
      std::cerr << "bench-shards [--nodes=3..512] [--bots=N]\n";
      return 2;
    }
  }
  boost::json::object out{{"nodes", given.nodes}, {"bots", given.bots}, {"shards", shard_count}};
  double ms = 0;
  auto bots = spread(given.bots, ms);
  out["hash_ms"] = ms;
  std::vector<shard_node> equal(given.nodes), mixed(given.nodes);
  for (std::size_t i = 0; i < mixed.size(); ++i)
    mixed[i].capacity = 4 + i % 5;
  bool good = simulate("equal", equal, bots, out);
  good = simulate("mixed", mixed, bots, out) && good;
  out["within_bounds"] = good;
  std::cout << boost::json::serialize(out) << '\n';
  return 0;
}

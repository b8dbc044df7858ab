#pragma once
#include "runtime/policy/shard_map.hpp"
#include "tests/simulation/agenda.hpp"
#include "tests/simulation/cluster/plan.hpp"

#include <map>
#include <string>
#include <tuple>

namespace troupe::simulation::clustered {

/// Clocks run apart by at most twice the plans' drift, and so do windows of different nodes.
inline constexpr std::int64_t window_tolerance_ppm = 500;

/// Hears of everything that can be seen from outside, in true time, and says when a promise is
/// broken. Shares no code with what it judges.
class judge {
public:
  explicit judge(const plan& what) : plan_(what) {}

  void fail(std::string promise, std::string what);
  [[nodiscard]] bool failed() const noexcept { return !broken_.empty(); }
  [[nodiscard]] const std::string& broken() const noexcept { return broken_; }
  [[nodiscard]] const std::string& how() const noexcept { return how_; }

  void note(std::uint64_t x) noexcept { trace_ = (trace_ ^ x) * 0x100000001B3u; }
  [[nodiscard]] std::uint64_t trace() const noexcept { return trace_; }

  /// From now on etcd says that the shard is this node's; `node_count`: nobody's.
  void owned(shard_id shard, std::size_t node, time_point now) {
    owners_[shard].emplace(now, node);
  }
  /// A governor let a call through.
  void permitted(std::uint64_t call, std::size_t node, time_point when);
  /// Its request arrived at the upstream.
  void arrived(std::uint64_t call, time_point permit);
  /// A write for the shard was taken, or a new owner raised the fence.
  void written(shard_id shard, std::int64_t revision);
  void raised(shard_id shard, std::int64_t revision);

  /// Permits of a span of time.
  [[nodiscard]] std::size_t permits(time_point from, time_point to) const;

  std::uint64_t sends = 0;

private:
  using key = std::tuple<int, std::int64_t, std::int64_t>;
  void count(const char* scope, const key& which, std::uint32_t limit, duration length,
             time_point when);

  const plan& plan_;
  std::map<key, std::multimap<time_point, bool>> windows_;
  std::map<shard_id, std::multimap<time_point, std::size_t>> owners_;
  std::map<std::pair<std::uint64_t, time_point>, int> permits_; ///< And how often used.
  std::map<shard_id, std::int64_t> fences_;
  std::map<std::uint64_t, int> arrived_;
  std::string broken_;
  std::string how_;
  std::uint64_t trace_ = 0xCBF29CE484222325u;
};

} // namespace troupe::simulation::clustered

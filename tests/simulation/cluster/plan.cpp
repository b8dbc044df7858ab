#include "tests/simulation/cluster/plan.hpp"

#include <algorithm>

namespace troupe::simulation::clustered {
namespace {

/// Of the rest a seed has one each or none, with dice of their own.
constexpr auto drawn_troubles = static_cast<std::size_t>(trouble::leader_unreachable);

void add_fault(plan& x, dice& d) {
  fault f;
  f.what = static_cast<trouble>(d.below(drawn_troubles));
  f.at_ms = d.between(6'000, x.trouble_ms - 1'000);
  f.node = d.below(node_count);
  f.other = (f.node + 1 + d.below(node_count - 1)) % node_count;
  switch (f.what) {
  case trouble::node_killed:
    f.length_ms = d.between(200, 8'000);
    break;
  case trouble::node_paused:
    f.length_ms = d.chance(500) ? d.between(50, 2'900) : d.between(2'900, 9'000);
    break;
  default:
    f.length_ms = d.between(100, 7'000);
  }
  x.faults.push_back(f);
}

/// They end a leader's time, or a node's part in the cluster, while it goes on by what it knows.
void add_rare_faults(plan& x, dice d) {
  for (auto what : {trouble::leader_unreachable, trouble::node_isolated})
    if (d.chance(500)) {
      fault f;
      f.what = what;
      f.at_ms = d.between(6'000, x.trouble_ms - 1'000);
      f.length_ms = d.between(2'500, 7'000);
      f.node = d.below(node_count);
      x.faults.push_back(f);
    }
}

/// Above the budget while it is used up, and unevenly: some nodes' bots are asked for more, and one
/// chat.
void add_calls(plan& x, dice& d) {
  auto budget = x.budget != 0 ? x.budget : 20;
  std::int64_t at = 2'000;
  std::int64_t turn = 0;
  std::size_t favoured = 0;
  std::uint64_t favour = 0;
  std::int64_t percent = 150;
  auto busy_bot = d.below(x.bots.size());
  std::int64_t busy_chat = d.chance(500) ? -1 : 1;
  auto busy = d.below(300);
  while (at < x.length_ms) {
    if (at >= turn) { // Demand changes: who wants how much.
      turn = at + d.between(2'000, 8'000);
      bool calm = at > x.trouble_ms;
      favoured = d.below(x.bots.size());
      favour = calm ? 0 : d.below(900);
      percent = calm ? 150 : d.between(30, 200);
    }
    call_plan c;
    c.at_ms = at;
    c.entry = d.below(node_count);
    c.bot = d.chance(favour) ? favoured : d.below(x.bots.size());
    if (d.chance(150))
      c.chat = d.chance(500) ? -1 - d.between(0, 1) : 1 + d.between(0, 1);
    if (at < x.trouble_ms && d.chance(busy)) {
      c.bot = busy_bot;
      c.chat = busy_chat;
    }
    c.patience_ms = d.between(500, 8'000);
    x.calls.push_back(c);
    at += d.between(1, 2 * 100'000 / (static_cast<std::int64_t>(budget) * percent));
  }
}

} // namespace

plan make_plan(std::uint64_t seed) {
  dice d{seed ^ 0x636C7573746572u};
  plan x;
  x.seed = seed;
  for (auto& one : x.clocks) {
    one.offset_ns = d.between(0, 86'400'000'000'000);
    one.drift_ppm = d.between(-200, 200);
  }
  x.budget = d.chance(200) ? 0 : static_cast<std::uint32_t>(d.between(9, 30));
  x.bot_rps = x.budget == 0 ? 2 : static_cast<std::uint32_t>(d.between(5, 30));
  for (std::int64_t i = 0, n = d.between(12, 30); i < n; ++i)
    x.bots.push_back(1'000 + i * 7'919);
  x.net_us = d.chance(300) ? d.between(5'000, 40'000) : d.between(200, 3'000);
  x.trouble_ms = d.between(20'000, 50'000);
  x.length_ms = x.trouble_ms + 10'000 + settle_ms + measured_ms;
  for (std::int64_t i = 0, n = d.between(2, 14); i < n; ++i)
    add_fault(x, d);
  add_rare_faults(x, dice{seed ^ 0x72617265u});
  std::ranges::stable_sort(x.faults, {}, &fault::at_ms);
  add_calls(x, d);
  return x;
}

std::string describe(const fault& x) {
  return std::string{trouble_names[static_cast<std::size_t>(x.what)]} + ", n"
         + std::to_string(x.node + 1) + " (n" + std::to_string(x.other + 1) + "), at "
         + std::to_string(x.at_ms) + " ms for " + std::to_string(x.length_ms) + " ms";
}

} // namespace troupe::simulation::clustered

#include "tests/simulation/cluster/shrink.hpp"

#include "tests/simulation/cluster/run.hpp"

#include <algorithm>
#include <sstream>

namespace troupe::simulation::clustered {
namespace {

std::string joined(const std::vector<std::size_t>& which) {
  std::string text;
  for (auto i : which)
    text += (text.empty() ? "" : ",") + std::to_string(i);
  return text.empty() ? "none" : text;
}

constexpr int halvings = 8; ///< Of the load's length.

} // namespace

plan plan_of(std::uint64_t seed, const cut& kept) {
  auto x = make_plan(seed);
  if (!kept.faults.empty()) {
    std::vector<fault> some;
    std::istringstream list{kept.faults == "none" ? "" : kept.faults};
    for (std::string one; std::getline(list, one, ',');)
      some.push_back(x.faults.at(std::stoul(one)));
    x.faults = some;
  }
  if (kept.load_until >= 0)
    std::erase_if(x.calls, [&](const call_plan& c) { return c.at_ms > kept.load_until; });
  return x;
}

cut shrink(std::uint64_t seed, const std::string& broken) {
  auto breaks = [&](const cut& what) { return run(plan_of(seed, what)).broken == broken; };
  auto whole = make_plan(seed);
  std::vector<std::size_t> kept(whole.faults.size());
  for (std::size_t i = 0; i < kept.size(); ++i)
    kept[i] = i;
  for (std::size_t at = 0; at < kept.size();) {
    auto fewer = kept;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at));
    if (breaks({joined(fewer), -1}))
      kept = fewer;
    else
      ++at;
  }
  cut best{joined(kept), -1};
  std::int64_t no = -1;
  for (auto yes = whole.length_ms, i = std::int64_t{0}; i < halvings && yes - no > 1; ++i) {
    auto middle = no + (yes - no) / 2;
    cut less{best.faults, middle};
    if (breaks(less))
      yes = middle, best = less;
    else
      no = middle;
  }
  return best;
}

std::string options_of(std::uint64_t seed, const cut& x) {
  auto text = "--seed " + std::to_string(seed) + " --faults " + x.faults;
  return x.load_until >= 0 ? text + " --load-until " + std::to_string(x.load_until) : text;
}

} // namespace troupe::simulation::clustered

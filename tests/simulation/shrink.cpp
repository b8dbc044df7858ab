#include "tests/simulation/shrink.hpp"

#include <algorithm>

namespace troupe::simulation {
namespace {

std::string joined(const std::vector<std::size_t>& which) {
  std::string text;
  for (auto i : which)
    text += (text.empty() ? "" : ",") + std::to_string(i);
  return text.empty() ? "none" : text;
}

/// So many halvings of the load's length: the last one is of a few milliseconds.
constexpr int halvings = 12;

} // namespace

std::vector<fault> chosen(const std::vector<fault>& all, const std::string& only) {
  std::vector<fault> result;
  for (std::size_t at = 0; at < only.size() && only != "none";) {
    auto end = std::min(only.find(',', at), only.size());
    auto i = std::stoul(only.substr(at, end - at));
    if (i < all.size())
      result.push_back(all[i]);
    at = end + 1;
  }
  return result;
}

plan plan_of(std::uint64_t seed, const cut& kept) {
  auto x = make_plan(seed);
  if (!kept.faults.empty())
    x.faults = chosen(x.faults, kept.faults);
  if (kept.load_until >= 0) {
    std::erase_if(x.calls, [&](const call_plan& c) { return c.at_ms > kept.load_until; });
    std::erase_if(x.updates, [&](const update_plan& u) { return u.at_ms > kept.load_until; });
  }
  return x;
}

shrunk shrink(std::uint64_t seed, const std::string& broken) {
  auto all = make_plan(seed);
  std::vector<std::size_t> kept(all.faults.size());
  for (std::size_t i = 0; i < kept.size(); ++i)
    kept[i] = i;
  shrunk best{{joined(kept), -1}, {}};
  auto breaks = [&](const cut& what) {
    auto x = run(plan_of(seed, what));
    if (x.broken != broken)
      return false;
    best = {what, std::move(x)};
    return true;
  };
  if (!breaks(best.kept))
    return best;
  for (auto part = (kept.size() + 1) / 2; part > 0; part = part == 1 ? 0 : (part + 1) / 2)
    for (std::size_t at = 0; at < kept.size();) {
      auto fewer = kept;
      auto from = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(from, from + static_cast<std::ptrdiff_t>(std::min(part, fewer.size() - at)));
      if (breaks({joined(fewer), -1}))
        kept = fewer;
      else
        at += part;
    }
  auto faults = joined(kept);
  std::int64_t no = -1;
  for (auto yes = all.length_ms + 1000, i = std::int64_t{0}; i < halvings && yes - no > 1; ++i) {
    auto middle = no + (yes - no) / 2;
    (breaks({faults, middle}) ? yes : no) = middle;
  }
  return best;
}

std::string options_of(std::uint64_t seed, const shrunk& x) {
  auto text = "--seed " + std::to_string(seed) + " --faults " + x.kept.faults;
  if (x.kept.load_until >= 0)
    text += " --load-until " + std::to_string(x.kept.load_until);
  // What breaks may do so between its last message and the next one.
  return text + " --steps " + std::to_string(x.how.steps + 1);
}

} // namespace troupe::simulation

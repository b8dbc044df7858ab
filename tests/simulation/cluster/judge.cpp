#include "tests/simulation/cluster/judge.hpp"

#include <deque>

namespace troupe::simulation::clustered {

using namespace std::chrono_literals;

void judge::fail(std::string promise, std::string what) {
  if (failed())
    return;
  broken_ = std::move(promise);
  how_ = std::move(what);
}

/// No window of this length, wherever it begins, holds more than the limit. Slow and plain.
void judge::count(const char* scope, const key& which, std::uint32_t limit, duration length,
                  time_point when) {
  auto& all = windows_[which];
  all.emplace(when, true);
  if (limit == 0)
    return;
  length -= length / 1'000'000 * window_tolerance_ppm;
  std::deque<time_point> last;
  for (auto i = all.lower_bound(when - length); i != all.end() && i->first < when + length; ++i) {
    last.push_back(i->first);
    if (last.size() <= limit)
      continue;
    if (last.back() - last.front() < length)
      return fail("budgets", std::string{"a window of "} + scope + " holds more than "
                               + std::to_string(limit) + " over all nodes (bot "
                               + std::to_string(std::get<1>(which)) + ", chat "
                               + std::to_string(std::get<2>(which)) + ')');
    last.pop_front();
  }
}

void judge::permitted(std::uint64_t call, std::size_t node, time_point when) {
  const auto& c = plan_.calls.at(call);
  auto bot = plan_.bots[c.bot];
  permits_[{call, when}] = 0;
  count("the cluster", {0, 0, 0}, plan_.budget, 1s, when);
  count("a bot", {1, bot, 0}, plan_.bot_rps, 1s, when);
  if (c.chat < 0)
    count("a group", {2, bot, c.chat}, 20, 60s, when);
  if (c.chat > 0) {
    count("a chat in 1 s", {3, bot, c.chat}, 3, 1s, when);
    count("a chat in 20 s", {4, bot, c.chat}, 20, 20s, when);
  }
  const auto& past = owners_[shard_of(bot)];
  auto after = past.upper_bound(when);
  auto owner = after == past.begin() ? node_count : std::prev(after)->second;
  if (owner != node)
    fail("owners", "n" + std::to_string(node + 1) + " let a call through for bot "
                     + std::to_string(bot) + ", whose shard is "
                     + (owner == node_count ? "nobody's" : "another's"));
}

void judge::arrived(std::uint64_t call, time_point permit) {
  ++sends;
  auto found = permits_.find({call, permit});
  if (found == permits_.end())
    return fail("budgets", "call " + std::to_string(call) + " was sent without a permit");
  if (++found->second > 1 || ++arrived_[call] > 1)
    fail("answers", "call " + std::to_string(call) + " was carried out twice");
}

void judge::written(shard_id shard, std::int64_t revision) {
  if (revision < fences_[shard])
    fail("fences", "shard " + std::to_string(shard) + " was written by a past owner");
}

void judge::raised(shard_id shard, std::int64_t revision) {
  fences_[shard] = std::max(fences_[shard], revision);
}

std::size_t judge::permits(time_point from, time_point to) const {
  auto found = windows_.find({0, 0, 0});
  if (found == windows_.end())
    return 0;
  return static_cast<std::size_t>(
    std::distance(found->second.lower_bound(from), found->second.lower_bound(to)));
}

} // namespace troupe::simulation::clustered

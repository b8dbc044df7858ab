#include "tests/simulation/judge.hpp"

#include <algorithm>

namespace troupe::simulation {
namespace {

using namespace std::chrono_literals;

/// What a connection takes to be made; see upstream.
constexpr duration connecting = 60ms;

std::string member(const std::string& line, const std::string& key) {
  auto at = line.find('"' + key + "\":");
  if (at == std::string::npos)
    return {};
  at += key.size() + 3;
  auto quoted = line[at] == '"';
  auto end = quoted ? line.find('"', at + 1) : line.find_first_of(",}", at);
  return quoted ? line.substr(at + 1, end - at - 1) : line.substr(at, end - at);
}

} // namespace

bool exact_window::add(std::int64_t stamp, std::uint32_t limit) {
  auto at = std::upper_bound(stamps_.begin(), stamps_.end(), stamp);
  auto place = static_cast<std::size_t>(at - stamps_.begin());
  stamps_.insert(at, stamp);
  if (limit == 0)
    return true;
  auto first = place >= limit ? place - limit : 0;
  for (auto i = first; i <= place && i + limit < stamps_.size(); ++i)
    if (stamps_[i + limit] - stamps_[i] < length_.count())
      return false;
  return true;
}

void judge::fail(std::string promise, std::string what) {
  if (failed())
    return;
  broken_ = std::move(promise);
  how_ = std::move(what);
}

void judge::count(const char* scope, const key& which, std::uint32_t limit, duration length,
                  std::int64_t stamp) {
  auto& window = windows_.try_emplace(which, length).first->second;
  if (!window.add(stamp, limit))
    fail("budgets", std::string{"a window of "} + scope + " holds more than "
                      + std::to_string(limit) + " (bot " + std::to_string(std::get<1>(which))
                      + ", chat " + std::to_string(std::get<2>(which)) + ')');
}

/// The largest limit that was valid at any time of this window, or shortly before it: everybody
/// hears of other settings by a message. 0: none.
std::uint32_t judge::most(std::uint32_t rate_limits::*which, duration length) const {
  auto from = now_ - length - connecting - 2 * slack_ - 1s;
  std::uint32_t result = limits_.back().second.*which;
  for (std::size_t i = 0; i + 1 < limits_.size(); ++i)
    if (limits_[i + 1].first >= from && result != 0)
      result = limits_[i].second.*which == 0 ? 0 : std::max(result, limits_[i].second.*which);
  return result;
}

std::uint32_t judge::most_of(const bot_plan& bot) const {
  auto usual = most(&rate_limits::bot_rps, 1s);
  if (bot.rps == 0)
    return usual;
  auto since = limited_.find(bot.id);
  bool sure = since != limited_.end() && now_ - since->second > 2s + 2 * slack_;
  return sure ? bot.rps : usual == 0 ? 0 : std::max(usual, bot.rps);
}

/// The node knows it from its start on.
std::uint32_t judge::most_of_tenant(tenant_id tenant) const {
  auto own = plan_.tenant_rps.at(tenant - 1);
  return own != 0 ? own : most(&rate_limits::tenant_rps, 1s);
}

bool judge::pinned(bot_id bot) const {
  const auto& all = plan_.passivation.pinned;
  return std::find(all.begin(), all.end(), bot) != all.end();
}

void judge::sent(bot_id bot, const chat_ref& charged, std::int64_t stamp, time_point arrived,
                 duration slack) {
  ++sends;
  note(static_cast<std::uint64_t>((arrived - beginning).count()));
  note(static_cast<std::uint64_t>(bot));
  note(static_cast<std::uint64_t>(charged.key));
  if (stamp == 0)
    return fail("budgets",
                "a request of bot " + std::to_string(bot) + " was sent without a permit");
  auto late = arrived.time_since_epoch() - duration{stamp};
  if (late > connecting + slack)
    fail("budgets", "a permit of bot " + std::to_string(bot) + " was used after "
                      + std::to_string(late.count()) + " ns");
  now_ = arrived;
  slack_ = slack;
  auto own = std::find_if(plan_.bots.begin(), plan_.bots.end(),
                          [bot](const auto& x) { return x.id == bot; });
  if (own == plan_.bots.end())
    return fail("budgets", "a request of a bot that nobody has");
  count("the node", {0, 0, 0}, most(&rate_limits::global_rps, 1s), 1s, stamp);
  count("a tenant", {1, own->tenant, 0}, most_of_tenant(own->tenant), 1s, stamp);
  count("a bot", {2, bot, 0}, most_of(*own), 1s, stamp);
  if (charged && charged.group)
    count("a group", {3, bot, charged.key}, most(&rate_limits::group_rpm, 60s), 60s, stamp);
  else if (charged) {
    count("a chat in 1 s", {4, bot, charged.key}, most(&rate_limits::chat_rps, 1s), 1s, stamp);
    count("a chat in 20 s", {5, bot, charged.key}, most(&rate_limits::chat_per_20s, 20s), 20s,
          stamp);
  }
}

void judge::carried_out(std::uint64_t call, bool harm) {
  note(call);
  if (++carried_[call] > 1 && harm)
    fail("answers", "call " + std::to_string(call) + " was carried out twice");
}

/// A supervisor restarts one child, or a group, five times in ten seconds at most; a bot is
/// restarted three times in a minute.
void judge::started(const std::string& supervisor, const std::string& child, time_point now) {
  bool shard = child == "troupe.bots";
  bool bot = supervisor == "troupe.bots" && !shard;
  starts_.erase(child); // A supervisor that starts anew has a budget of its own.
  if (shard && supervisor == "troupe.bots")
    starts_.erase("bots");
  auto& all = starts_[bot ? "bots" : supervisor][child];
  // It came back into memory.
  if (!bot || evicted_.erase(child) == 0)
    all.push_back(now);
  if (all.empty())
    return;
  auto most = bot ? 3 : 5;
  // Budgets count ends; from an end to a start is a pause, which may be shorter the second time.
  duration period = bot ? duration{58s} : duration{8s};
  auto recent =
    std::count_if(all.begin() + 1, all.end(), [&](time_point x) { return now - x < period; });
  if (shard && supervisor == "troupe.bots")
    recent -= static_cast<std::ptrdiff_t>(plan_.shards); // They share a name.
  if (recent > most)
    fail("restarts", supervisor + " started " + child + ' ' + std::to_string(recent)
                       + " times anew within its period");
}

void judge::places(std::uint32_t now_valid, time_point now) {
  auto before = std::exchange(places_, now_valid);
  settled_from_ = now + 1s;
  if (now_valid < before)
    most_debt_ += before - now_valid;
  else
    most_debt_ -= std::min(most_debt_, now_valid - before);
}

void judge::leased(time_point now, duration slack) {
  if (most_debt_ > 0 && now > settled_from_ + slack)
    --most_debt_;
}

void judge::compare(bot_id bot, breaker_state said) {
  auto last = breakers_.find(std::to_string(bot));
  // Not told: what health was told of the time before it.
  if (last != breakers_.end() && said == breaker_state::closed && last->second != "breaker.closed")
    fail("breakers", "bot " + std::to_string(bot) + ": closed after " + last->second);
}

void judge::found_no_place(bot_id bot) {
  if (!lacks_places())
    fail("passivation", "bot " + std::to_string(bot) + " found no place, and no alert tells of it");
}

void judge::logged(const std::string& line) {
  auto event = member(line, "event");
  if (event.starts_with("breaker.")) {
    auto bot = member(line, "bot");
    auto& last = breakers_[bot.empty() ? "upstream" : bot];
    // Health may have forgotten (it restarted): then a breaker is closed, whatever it was.
    // What it is told of the time before by the recorder, no line tells. After the time for a
    // probe it is failures of probes that open it, until it was proven.
    bool failed_probe = member(line, "reason") == "the probe failed";
    bool legal = last.empty() ? true
                 : event == "breaker.opened"
                   ? last == (failed_probe ? "breaker.half-opened" : "breaker.closed")
                 : event == "breaker.half-opened" ? last == "breaker.opened"
                                                  : last == "breaker.half-opened";
    if (!legal)
      fail("breakers", "of " + (bot.empty() ? "the upstream" : "bot " + bot) + ": " + event
                         + " after " + (last.empty() ? "nothing" : last));
    last = event;
  } else if (event == "bot.evicted") {
    auto bot = member(line, "bot");
    evicted_.insert(bot);
    if (pinned(std::stoll(bot)))
      fail("passivation", "bot " + bot + " is pinned, and left memory");
  } else if (member(line, "alert") == "bots.no-place") {
    no_place_ += event == "alert.raised" ? 1 : -1;
  } else if ((event == "child.started" || event == "child.restarted")
             && member(line, "actor") == "troupe.health") {
    breakers_.clear();
  }
}

} // namespace troupe::simulation

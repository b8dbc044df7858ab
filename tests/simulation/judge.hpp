#pragma once
#include "messages/call.hpp"
#include "tests/simulation/agenda.hpp"
#include "tests/simulation/plan.hpp"

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace troupe::simulation {

/// One budget window, judged by nothing but its stamps: no window of the stated length, wherever it
/// begins, holds more than the limit. Slow and plain on purpose; shares no code with the governor.
class exact_window {
public:
  explicit exact_window(duration length) : length_(length) {}

  /// @returns false when this stamp makes a window hold more than `limit`; 0: no limit
  [[nodiscard]] bool add(std::int64_t stamp, std::uint32_t limit);

private:
  duration length_;
  std::vector<std::int64_t> stamps_; ///< Sorted.
};

/// Hears of everything that can be seen from outside, and says when a promise is broken.
class judge {
public:
  explicit judge(const plan& what) : plan_(what), limits_{{time_point::min(), what.budgets}} {}

  /// A promise is broken: the first one is kept.
  void fail(std::string promise, std::string what);
  [[nodiscard]] bool failed() const noexcept { return !broken_.empty(); }
  [[nodiscard]] const std::string& broken() const noexcept { return broken_; }
  [[nodiscard]] const std::string& how() const noexcept { return how_; }

  /// Part of the history: two runs of one seed must have the same.
  void note(std::uint64_t x) noexcept { trace_ = (trace_ ^ x) * 0x100000001B3u; }
  [[nodiscard]] std::uint64_t trace() const noexcept { return trace_; }

  /// Budgets are others from now on.
  void settings(const rate_limits& now_valid, time_point now) {
    limits_.emplace_back(now, now_valid);
  }
  /// The pool has so many places for requests from now on. Credits that the governor has for places
  /// that are no more cannot be taken back: each is settled by a request that comes later.
  void places(std::uint32_t now_valid, time_point now);
  /// A request got one of them. @param slack what messages were delayed by since they changed
  void leased(time_point now, duration slack);
  /// Credits that the governor may have beyond the places.
  [[nodiscard]] std::uint32_t most_debt() const noexcept { return most_debt_; }
  [[nodiscard]] time_point places_changed() const noexcept { return settled_from_; }
  /// A bot's own rate is known to the node.
  void limited(bot_id bot, time_point now) { limited_.emplace(bot, now); }

  /// Telegram received a request that counts.
  /// @param stamp of its permit
  /// @param slack what messages were delayed by the plan
  void sent(bot_id bot, const chat_ref& charged, std::int64_t stamp, time_point arrived,
            duration slack);
  /// Telegram carried out a call of a client. @param harm whether doing it twice does harm
  void carried_out(std::uint64_t call, bool harm);

  /// A supervisor of the tree started an actor.
  void started(const std::string& supervisor, const std::string& child, time_point now);
  [[nodiscard]] bool pinned(bot_id bot) const;
  /// Another process: nobody has a past.
  void node_started() {
    starts_.clear(), evicted_.clear(), no_place_ = 0, places_ = most_debt_ = 0;
  }

  /// Somebody was refused since there is no place for his bot; all lines were heard.
  void found_no_place(bot_id bot);
  /// An operator was told that there are too few places, and not yet that there are enough.
  [[nodiscard]] bool lacks_places() const noexcept { return no_place_ > 0; }

  /// A line of the log, as JSON: breakers and restarts are judged by them.
  void logged(const std::string& line);

  /// How health says that a bot's breaker stands; all lines were heard.
  void compare(bot_id bot, breaker_state said);

  std::uint64_t sends = 0;

private:
  using key = std::tuple<int, std::int64_t, std::int64_t>;
  void count(const char* scope, const key& which, std::uint32_t limit, duration length,
             std::int64_t stamp);
  std::uint32_t most(std::uint32_t rate_limits::*which, duration length) const;
  std::uint32_t most_of(const bot_plan& bot) const;
  std::uint32_t most_of_tenant(tenant_id tenant) const;

  const plan& plan_;
  std::vector<std::pair<time_point, rate_limits>> limits_; ///< From when on they were valid.
  std::map<bot_id, time_point> limited_;
  time_point now_{};
  duration slack_{0};
  std::map<key, exact_window> windows_;
  std::map<std::uint64_t, int> carried_;
  /// Of each place in the tree since its supervisor's own start.
  std::map<std::string, std::map<std::string, std::vector<time_point>>> starts_;
  std::uint32_t places_ = 0;
  std::uint32_t most_debt_ = 0;
  time_point settled_from_{};
  int no_place_ = 0;              ///< Shards whose alert stands.
  std::set<std::string> evicted_; ///< Bots that left memory, and did not come back yet.
  std::map<std::string, std::string> breakers_; ///< By bot or "upstream": the last word of it.
  std::string broken_;
  std::string how_;
  std::uint64_t trace_ = 0xCBF29CE484222325u;
};

} // namespace troupe::simulation

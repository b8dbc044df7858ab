#pragma once
#include "messages/call.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/supervisor.hpp"
#include "tests/simulation/dice.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// What a seed decides before anything runs: who is there, what they do, what goes wrong when.
namespace troupe::simulation {

enum class trouble : std::uint8_t {
  kill,            ///< An actor of the tree, whoever is `pick`th of those that live.
  torment,         ///< The same, and its successors for `length`, until a budget is spent.
  slow_actor,      ///< That actor takes no message for `length`.
  crash,           ///< The process is gone; it starts again after `length`.
  stop,            ///< The node is asked to end, as by SIGTERM; it starts again after `length`.
  store_fails,     ///< Works of the store fail, or have an unknown outcome, for `length`; or
                   ///< (`pick`) the disk is full.
  store_slow,      ///< Each takes up to some seconds, for `length`.
  upstream_fails,  ///< 5xx, for `length`.
  upstream_floods, ///< 429 with retry_after, for `length`.
  upstream_breaks, ///< Connections break before or after something was written, for `length`.
  upstream_hangs,  ///< Answers take up to a minute, or do not come, for `length`.
  tenants_fail,    ///< Receivers answer 5xx, 429, or not at all, for `length`.
  clock_jumps,     ///< The wall clock alone, by `pick` milliseconds, an hour at most either way.
  settings_change, ///< Budgets and the pool's limits are others from now on, as by SIGHUP.
};
inline constexpr const char* trouble_names[] = {
  "kill",           "torment",      "slow-actor",     "crash",           "stop",
  "store-fails",    "store-slow",   "upstream-fails", "upstream-floods", "upstream-breaks",
  "upstream-hangs", "tenants-fail", "clock-jumps",    "settings-change"};

struct fault {
  trouble what = trouble::kill;
  std::int64_t at_ms = 0;  ///< Not before this; of simulated time.
  std::uint64_t after = 0; ///< And so many messages later.
  std::uint64_t pick = 0;
  std::int64_t length_ms = 0;
};

enum class receiver_kind : std::uint8_t { pull, relay, nobody, rules };

struct bot_plan {
  bot_id id = 0;
  tenant_id tenant = 1;
  receiver_kind how = receiver_kind::pull;
  bool polled = false;   ///< Else by webhook.
  std::uint32_t rps = 0; ///< A rate of its own; 0: the default.
  bool replies = false;  ///< Its receiver's answers ask for methods.
};

/// One call of a client.
struct call_plan {
  std::int64_t at_ms = 0;
  std::size_t bot = 0; ///< Index into `bots`.
  std::string method;
  std::int64_t chat = 0; ///< 0: none.
  std::int64_t patience_ms = 10'000;
  std::int64_t leaves_ms = -1; ///< The client goes away so long after; negative: it stays.
};

struct update_plan {
  std::int64_t at_ms = 0;
  std::size_t bot = 0;
  std::int64_t chat = 0;
  bool query = false; ///< A callback query, which lives for 150 s.
};

/// Mostly so small that the journal is at them all the time.
struct journal_bounds {
  std::uint32_t fresh_marks = 0; ///< Then it merges.
  std::uint32_t remembered = 0;  ///< Ends per bot.
  std::uint64_t cache_bytes = 0;
  std::size_t max_bots = 0;
  std::uint32_t load_rows = 0;
  std::int64_t number_block = 0;
};

struct plan {
  std::uint64_t seed = 0;
  std::int64_t length_ms = 0; ///< Load and faults end then; what follows is quiet.
  bool webhooks = false;      ///< The node has a public URL.
  std::size_t shards = 1;
  rate_limits budgets;
  pool_limits pool;
  journal_bounds journal;
  std::int64_t breaker_ms = 60'000; ///< Breakers are open so long.
  passivation_limits passivation; ///< Of the node.
  bool cramped = false; ///< Too few places for those who never leave; enough when it is calm.
  std::array<std::uint32_t, 3> tenant_rps{}; ///< Rates of their own; 0: the default.
  std::vector<bot_plan> bots;
  std::vector<call_plan> calls;
  std::vector<update_plan> updates;
  std::vector<fault> faults;
};

/// Budgets and limits of the pool that are often reached.
void choose_limits(rate_limits& budgets, pool_limits& pool, dice& d);

/// Who leaves memory, and when; not how many may be there.
void choose_policy(passivation_limits& x, dice& d);

/// @param scale of the number of faults, in percent
[[nodiscard]] plan make_plan(std::uint64_t seed, unsigned scale = 100);

/// All but calls, updates and faults, in a few lines.
[[nodiscard]] std::string describe(const plan& x);

/// "kill@1200+3 pick 5 length 0".
[[nodiscard]] std::string to_string(const fault& x);

} // namespace troupe::simulation

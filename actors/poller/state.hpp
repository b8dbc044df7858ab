#pragma once
#include "actors/poller/poller.hpp"
#include "messages/journal.hpp"
#include "messages/registrar.hpp"
#include "runtime/policy/backoff.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/receive.hpp"

#include <caf/disposable.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <optional>
#include <random>
#include <set>
#include <unordered_map>

/// The poller's state; for the files of this folder only.
namespace troupe::polling {

using time_point = caf::actor_clock::time_point;

enum class stage : std::uint8_t { ready, polling, storing, pausing };

/// Why a bot pauses.
enum class trouble : std::uint8_t { none, failure, conflict, full };

struct polled_bot {
  tenant_id tenant = 1;
  std::string allowed; ///< `allowed_updates` as JSON; empty: not given.
  std::uint64_t era = 0;
  /// Confirms what the journal has; 0: nothing is left to confirm, and Telegram begins with the
  /// oldest it has. It is not kept on: update ids may begin anew, lower.
  std::int64_t offset = 0;
  stage now = stage::ready;
  trouble why = trouble::none;
  std::uint32_t times = 0; ///< The same trouble, in a row.
  bool alerted = false;
  time_point due{};
  time_point began{}; ///< The last poll.
};

struct poller_state {
  static inline const char* name = "troupe.poller";

  poller_state(poller_actor::pointer self, poller_config config, poller_ports ports);
  poller_actor::behavior_type make_behavior();

  // -- poller.cpp: turns

  void load();
  void add(const poll_bot& x);
  void remove(bot_id bot);
  void make_ready(bot_id bot, polled_bot& x);
  void pump();
  void pause(bot_id bot, polled_bot& x, trouble why, caf::timespan wait);
  /// The pause after the same trouble so many times in a row.
  void pause_again(bot_id bot, polled_bot& x, trouble why);
  void arm();
  void wake();
  std::chrono::seconds timeout() const;
  poller_report report() const;

  // -- exchange.cpp: one poll

  void poll(bot_id bot, polled_bot& x);
  void on_answer(bot_id bot, const method_answer& said);
  void on_updates(bot_id bot, polled_bot& x, std::string_view body);
  std::int64_t rescue(bot_id bot, std::string_view text,
                      std::optional<updates::received_update>& into);
  void on_stored(bot_id bot, polled_bot& x, std::int64_t next, const append_result& how);
  void on_conflict(bot_id bot, polled_bot& x, std::string_view body);
  void on_refusal(bot_id bot, polled_bot& x, const caf::error& why);
  void look_at_journal(bot_id bot, polled_bot& x);
  void tell_codes(bot_id bot, const std::vector<updates::received_update>& all) const;
  void well(bot_id bot, polled_bot& x);

  polled_bot* find(bot_id bot, std::uint64_t era) {
    auto found = bots.find(bot);
    return found == bots.end() || found->second.era != era ? nullptr : &found->second;
  }
  time_point now() const { return self->clock().now(); }

  poller_actor::pointer self;
  poller_config cfg;
  poller_ports ports;
  std::minstd_rand dice;
  std::unordered_map<bot_id, polled_bot> bots;
  std::deque<std::pair<bot_id, std::uint64_t>> turns;
  std::set<std::pair<time_point, bot_id>> pauses;
  std::uint64_t eras = 0;
  std::size_t running = 0; ///< Polls under way, also of bots that are gone.
  caf::disposable timer;
  time_point timer_at{};
  poller_report counts;
};

} // namespace troupe::polling

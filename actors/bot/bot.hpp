#pragma once
#include "messages/bot.hpp"
#include "messages/supervisor.hpp"
#include "runtime/policy/backoff.hpp"
#include "runtime/registry/live_value.hpp"
#include "runtime/registry/services.hpp"

#include <caf/fwd.hpp>

#include <memory>

namespace troupe {

/// What all bots of a node share. Changes live: see live_bot_config.
struct bot_config {
  std::uint32_t max_queue = 100; ///< Calls of one bot that wait for permit and session.
  std::uint32_t max_polls = 4;   ///< Long polls of one bot at once.
  std::uint32_t retries = 3;     ///< Attempts after the first.
  troupe::backoff retry_delay;   ///< Pause before a retry, unless the upstream names one.
  caf::timespan lease_timeout =
    std::chrono::seconds{150}; ///< A granted call unheard of for so long is given up.
  caf::timespan batch_delay =
    std::chrono::milliseconds{200}; ///< Successes wait at most so long for a batch.
  std::size_t batch_size = 32;      ///< Outcomes in a batch at most.
  std::uint32_t delivery_attempts = 8; ///< Of an update, before it is a dead letter, unless the
                                       ///< bot's own settings say otherwise.
  bool pull_conflict_409 = false; ///< Of two polls of one client the newer is refused; else the
                                  ///< older ends with an empty result.

  friend bool operator==(const bot_config&, const bot_config&) = default;
};

/// Bots ask for their settings at each use, so what is published here holds for all of them at
/// once.
using live_bot_config = live_value<bot_config>;

/// Spawns a bot. Only the bots supervisor calls this.
/// @param incarnation 1 for the first start, counted up by restarts
bot_actor spawn_bot(caf::actor_system& sys, const start_bot& spec, std::uint32_t incarnation,
                    std::shared_ptr<services> found, std::shared_ptr<const live_bot_config> config);

} // namespace troupe

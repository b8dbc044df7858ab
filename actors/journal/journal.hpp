#pragma once
#include "messages/bot.hpp"
#include "messages/journal.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>

namespace troupe {

namespace storage {
class sql_port; // actors/store/work.hpp
} // namespace storage

struct journal_config : journal_limits {
  std::uint32_t group_updates = 2000;          ///< In one commit at most.
  std::uint64_t group_bytes = 8u << 20;        ///< Of their bodies; one update may be larger.
  std::uint32_t max_waiting = 50'000;          ///< Updates that wait for a commit, over all bots.
  std::uint64_t max_waiting_bytes = 64u << 20; ///< Of their bodies; one request may have more.
  std::uint32_t group_letters = 100;           ///< Dead letters that wait again with one commit.
  std::size_t max_entries = 500'000;           ///< Of pending updates in memory, over all bots.
  std::size_t max_bots = 50'000;               ///< Bots without updates that are remembered.
  caf::timespan patience = std::chrono::seconds{10};         ///< Of work that waits for the store.
  caf::timespan retry_pause = std::chrono::seconds{1};       ///< After the store failed.
  caf::timespan sweep_every = std::chrono::seconds{1};       ///< Lifetimes are looked at so often.
  caf::timespan find_pause = std::chrono::milliseconds{200}; ///< A bot that was not found is looked
                                                             ///< for again after this.
  /// So long behind its lifetime an update is left to the bot that fetched it: longer than any
  /// receiver may take. What is with no receiver the bot ends by itself.
  caf::timespan given_grace = std::chrono::minutes{11};
  std::uint32_t load_rows = 5000;        ///< Read at once at a start.
  std::uint32_t fresh_marks = 65'536;    ///< In the store, not yet merged: about so many.
  std::int64_t number_block = 1'000'000; ///< Numbers taken from the store at once.
  caf::timespan box_every =
    std::chrono::seconds{3}; ///< The box is looked into so often, told or not.
};

struct journal_ports {
  std::shared_ptr<storage::sql_port> sql; ///< Outlives the actor.
  /// The bot's actor; empty while there is none. Asked before a bot is told.
  std::function<bot_actor(bot_id)> bot;
  /// Asked about a bot that has updates and no actor: brings it back if it is idle and out of
  /// memory, and has it look for them. @returns false if nobody needs to tell it: it comes back by
  /// itself. May be empty.
  std::function<bool(bot_id)> wake;
  /// Wall clock, milliseconds since 1970; the system's unless given.
  std::function<std::int64_t()> now;
  /// Called on the actor for each update that was newly stored. May be empty.
  std::function<void(bot_id, const stored_update&)> stored;
  /// Called on the actor for each update that left its queue because its lifetime was over, once:
  /// with when it was received. May be empty.
  std::function<void(bot_id, std::int64_t)> expired{};
  /// Called on the actor when it begins with what is stored, at its start and when it was not known
  /// what was: of what was stored last `stored` and `expired` may not have told. May be empty.
  std::function<void()> begun{};
  /// Null: a node by itself. Else the journal has the bots of this node's shards alone, and all
  /// that it writes of them is fenced (runtime/store/shards.hpp).
  std::shared_ptr<const cluster_view> cluster{};
};

/// Spawns the journal. It reads what is stored first; what is asked meanwhile waits for that. Asked
/// to end, it stores what waits first.
journal_actor spawn_journal(caf::actor_system& sys, journal_config config, journal_ports ports);

} // namespace troupe

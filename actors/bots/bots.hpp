#pragma once
#include "actors/bots/ledger.hpp"
#include "actors/supervisor/supervisor.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/live_value.hpp"
#include "runtime/registry/services.hpp"

#include <functional>
#include <memory>

namespace troupe {

/// What a bot in memory takes, about: measured by tests/benchmarks/passivation.cpp.
inline constexpr std::size_t active_bot_bytes = 4096;

struct bots_config {
  /// Spawns one bot; must not block. What it throws, and an empty handle, count as a crash.
  /// The number is the incarnation: 1 for the first start.
  std::function<bot_actor(caf::actor_system&, const start_bot&, std::uint32_t)> spawn;
  /// Leads to the other shards, for orders to a bot that is kept there under another id. May be
  /// null.
  std::shared_ptr<services> found;
  /// Told of phases that bots get into by themselves: quarantined (for so long), unauthorized, and
  /// active again after a quarantine; and, last, of its quarantines in a row: 0 once it has been
  /// calm for long enough. May be empty; must not block.
  std::function<void(bot_id, bot_phase, caf::timespan, std::string, std::uint32_t)> told;
  std::size_t restarts = 3;                        ///< A bot may be restarted so often ...
  caf::timespan period = std::chrono::seconds{60}; ///< ... within so long; one more quarantines it.
  /// Before the second restart within a period, doubling; the first one is immediate.
  caf::timespan pause = std::chrono::milliseconds{50};
  caf::timespan quarantine = std::chrono::minutes{1};       ///< The first rest; doubles ...
  caf::timespan longest_quarantine = std::chrono::hours{1}; ///< ... up to this.
  /// A bot that ran so long without a crash is one that never crashed.
  caf::timespan calm = std::chrono::minutes{10};
  caf::timespan stop_deadline = std::chrono::seconds{5}; ///< From the ask to the kill.
  std::size_t max_bots = 1'000'000;                      ///< More are refused with too_many_bots.
  passivation_limits passivation; ///< At the start; `passivation_limits` changes them.
  /// As they are now, for a supervisor that starts. May be null: as it was told.
  std::shared_ptr<const live_value<passivation_limits>> limits;
  caf::timespan sweep_every = std::chrono::seconds{1}; ///< Idle bots are looked for so often.
  caf::timespan activation_patience =
    std::chrono::seconds{1}; ///< A bot that is needed waits no longer for the place of another.
  /// Told of each bot that came back, with how long whoever needed it waited. May be empty; must
  /// not block.
  std::function<void(caf::timespan)> activated;
  std::function<void()> evicted; ///< The same for each that left memory.
};

/// Spawns the supervisor of one shard of bots. Bots are published in `names` at each start, end and
/// change of phase. Whoever starts a bot puts its token there first; without an entry (it may have
/// been dropped meanwhile) start_bot answers unknown_bot: put and ask again.
///
/// A bot that ends with
/// - unauthorized or suspended: keeps that phase, is not restarted; bot_command active (or
/// start_bot
///   with another token) starts it again;
/// - passivated: is passive, costs its records and nothing else, and starts again when somebody
///   needs it (`activate_bot`), its restart budget untouched;
/// - nothing, user_shutdown or stopped: is forgotten, here and in the directory;
/// - quarantined: rests at once, as if it had spent its restart budget;
/// - anything else: crashed.
/// bot_command starting restarts a bot that runs, or would if it were not quarantined; its past is
/// forgiven.
/// @param ledger Shared by all incarnations of this shard. May be null.
bots_actor spawn_bots(caf::actor_system& sys, bots_config config, std::shared_ptr<directory> names,
                      std::shared_ptr<bots_ledger> ledger = nullptr);

/// A shard's supervisor as a child, published in `found->bots[shard]` at each start. Killed, it
/// comes back with all its bots.
child_spec supervise_bots(std::size_t shard, bots_config config, std::shared_ptr<directory> names,
                          std::shared_ptr<services> found);

} // namespace troupe

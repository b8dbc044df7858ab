#pragma once
#include "messages/supervisor.hpp"
#include "runtime/policy/restart_budget.hpp"
#include "runtime/registry/blocks.hpp"
#include "runtime/registry/flat_index.hpp"
#include "runtime/registry/place_index.hpp"

#include <caf/disposable.hpp>

#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace troupe {

/// What a shard's supervisor knows of one bot. 64 bytes: there are 100,000 of them.
struct bot_record {
  bot_id bot = 0;     ///< Its key, for good.
  bot_id claimed = 0; ///< Of an adopted bot: the number its token claims.
  std::uint64_t token_hash = 0;
  bot_actor actor;  ///< Empty while it does not run.
  time_point since; ///< Last start or end; the end of a rest while it is quarantined.
  tenant_id tenant = 1;
  std::uint32_t rps = 0;
  std::uint32_t concurrent = 0;
  std::uint32_t starts = 0;             ///< Its incarnations so far.
  bot_phase phase = bot_phase::pending; ///< What the directory says, too.
  bool proven = true;
  bool taken : 1 = false;     ///< The place holds a bot.
  bool forgotten : 1 = false; ///< Leaves the ledger once it has ended.
  bool moves : 1 = false;     ///< To another node then.
  bool leaving = false;       ///< Asked or forced to end: its end is no crash.
  bool returns = false;       ///< Starts again once it has ended.
  bool pending = false;       ///< Its owner is not proven: it runs in that phase.
  bool rejected = false;      ///< An alert was raised, since the upstream rejected its token.

  /// The phase it runs in.
  [[nodiscard]] bot_phase at_work() const noexcept {
    return pending ? bot_phase::pending : bot_phase::active;
  }

  /// The id it goes by: its number once that is proven.
  [[nodiscard]] bot_id known_as() const noexcept { return proven && claimed != 0 ? claimed : bot; }
};

/// Only bots that crashed lately have one.
struct bot_trouble {
  explicit bot_trouble(restart_budget budget) : budget(std::move(budget)) {}
  restart_budget budget;
  std::uint32_t quarantines = 0; ///< Without a calm time in between: the next rest doubles.
  bool alert = false;            ///< An alert was raised and not resolved.
  caf::disposable timer;         ///< Next restart, end of a rest, or end of a calm time.
};

/// The records of one shard. Belongs to one supervisor at a time, which alone touches it; when that
/// one dies, its successor takes it over, so that a killed supervisor forgets no bot.
class bots_ledger {
public:
  using place = std::uint32_t;

private:
  static std::uint64_t key(bot_id bot) noexcept { return static_cast<std::uint64_t>(bot); }
  [[nodiscard]] auto key_at() const noexcept {
    return [this](place at) { return key(records_[at].bot); };
  }

public:
  bot_record& operator[](place at) { return records_[at]; }
  const bot_record& operator[](place at) const { return records_[at]; }
  /// Places, taken or not.
  [[nodiscard]] place end() const noexcept { return static_cast<place>(records_.size()); }
  [[nodiscard]] std::size_t size() const noexcept { return bots_.size(); }
  [[nodiscard]] std::size_t running() const noexcept { return actors_.size(); }

  [[nodiscard]] std::optional<place> find(bot_id bot) const {
    return bots_.find(key(bot), key_at());
  }
  [[nodiscard]] std::optional<place> find_actor(caf::actor_id id) const { return actors_.find(id); }

  /// A record for a new bot.
  place add(const start_bot& spec);
  void remove(place at);
  void bind(place at, bot_actor actor);
  bot_actor unbind(place at); ///< @returns the actor, for its release.

  std::unordered_map<place, bot_trouble> troubles;
  passivation_limits limits; ///< As they are now; they outlive a supervisor.
  bool no_place = false;     ///< An alert says that bots find no place in memory.
  time_point refused_at{};   ///< When the last one did not.

  /// Makes the caller the owner; builds the tables anew. @returns the number of its ownership.
  std::uint64_t take_over();
  /// The owner died: kills its bots, unless a successor has taken over. Thread-safe.
  void orphaned(std::uint64_t ownership);
  /// Memory held in bytes, the actors and troubles aside.
  [[nodiscard]] std::size_t bytes() const noexcept;

private:
  std::mutex mutex_; ///< For the change of owners only.
  std::uint64_t ownership_ = 0;
  blocks<bot_record, 1024> records_;
  std::vector<place> free_;
  place_index bots_; ///< By `bot`.
  flat_index actors_;
};

} // namespace troupe

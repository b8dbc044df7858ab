#pragma once
#include "messages/bot.hpp"
#include "runtime/registry/blocks.hpp"
#include "runtime/registry/flat_index.hpp"
#include "runtime/registry/place_index.hpp"
#include "runtime/registry/token_hash.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <vector>

namespace troupe {

/// How many adopted bots may wait for their proof.
struct directory_limits {
  std::size_t unproven = 1000;            ///< At most so many entries that are not proven.
  std::chrono::seconds unproven_idle{30}; ///< One unused for so long makes room for another.
};

/// Leads from a bot token (as digest) or a bot id to the bot: actor, phase, whether it is proven.
/// An entry is made by whoever accepts a token (`put`), filled in by the supervisor of the bot's
/// shard at each start, end and change of phase (`attach`, `set_phase`, `detach`), and lives until
/// `erase`. Everything is thread-safe; finding is O(1) and runs in parallel; no call blocks for
/// long. Time is the steady clock of the caller.
class directory {
public:
  using clock = std::chrono::steady_clock;

  /// What a lookup tells.
  struct found {
    bot_id bot = 0;  ///< Its number, once proven.
    bot_id home = 0; ///< The id its supervisor keeps it under: services::bots_of(home).
    tenant_id tenant = 1;
    std::uint64_t token_key = 0; ///< token_digest::key.
    bot_phase phase = bot_phase::pending;
    bool proven = false;
    bot_actor actor; ///< Empty while the bot is not in memory or not running.
    clock::time_point until{}; ///< When a quarantine ends, up to a tenth of a second early.
  };

  /// What became of a put.
  struct put_result {
    bool accepted = false;        ///< False: too_many_bots.
    bool existed = false;         ///< The token has an entry already; it stays as it is.
    std::optional<found> evicted; ///< An idle unproven entry that made room: stop its bot.
  };

  explicit directory(directory_limits limits = {}, clock::time_point born = clock::now());
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  /// The entry of a token. Verifies all 128 bits, in constant time. `now` marks unproven ones used.
  [[nodiscard]] std::optional<found> find(const token_digest& token, clock::time_point now) const;

  /// The entry of a bot. An id that two tokens claim leads to the newer one.
  [[nodiscard]] std::optional<found> find(bot_id bot) const;

  /// Makes an entry in phase `pending`, without an actor. When there are too many unproven ones,
  /// the one unused for longest gives way, if it was idle long enough.
  put_result put(const token_digest& token, bot_id bot, tenant_id tenant, bool proven,
                 clock::time_point now);

  /// The upstream accepted the token: the entry is proven and found under `real` from now on. For
  /// its supervisor it keeps the id it was put with, its home.
  /// @returns false when there is no such entry.
  bool prove(std::uint64_t token_key, bot_id real);

  /// Forgets a token. @returns false when there was no such entry.
  bool erase(std::uint64_t token_key);

  // For the supervisors of bots, who name a bot by its home. All are ignored (false) when the
  // token's entry is gone or belongs to another bot by now.

  /// A bot (re)started.
  bool attach(std::uint64_t token_key, bot_id home, bot_actor actor, bot_phase phase);
  /// A bot changed its phase; the actor stays. @param until when a quarantine ends
  bool set_phase(std::uint64_t token_key, bot_id home, bot_phase phase,
                 clock::time_point until = {});
  /// A bot ended. @param until when a quarantine ends
  bool detach(std::uint64_t token_key, bot_id home, bot_phase phase, clock::time_point until = {});
  /// A bot ended for good.
  bool erase(std::uint64_t token_key, bot_id home);

  /// Whether a token without an entry is unknown for good: not while stored bots are being brought
  /// back at a start.
  [[nodiscard]] bool complete() const noexcept { return complete_.load(); }
  void set_complete(bool complete) noexcept { complete_ = complete; }

  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t unproven() const noexcept { return unproven_count_.load(); }
  /// Entries per phase, indexed by bot_phase.
  [[nodiscard]] std::array<std::uint64_t, bot_phase_names.size()> by_phase() const noexcept;
  /// Memory held in bytes, the actors aside.
  [[nodiscard]] std::size_t bytes() const;

private:
  static constexpr std::size_t shard_count = 64;
  static constexpr std::uint32_t places = 1u << 26; ///< Per shard; a ref is shard and place.

  struct entry {
    std::uint64_t key = 0;
    std::uint64_t check = 0;
    bot_id bot = 0;
    bot_id home = 0;
    bot_actor actor;
    tenant_id tenant = 1;
    mutable std::atomic<std::uint32_t> used{0}; ///< Seconds since `born_`; only if unproven.
    bot_phase phase = bot_phase::pending;
    bool proven = false;
    bool taken = false;
    std::uint32_t until = 0; ///< Tenths of a second since `born_`: the end of a quarantine.
  };

  struct shard {
    mutable std::shared_mutex mutex;
    place_index index; ///< By key.
    blocks<entry, 256> entries;
    std::vector<std::uint32_t> free;

    [[nodiscard]] auto key_at() const noexcept {
      return [this](std::uint32_t place) { return entries[place].key; };
    }
  };

  struct bot_shard {
    mutable std::shared_mutex mutex;
    flat_index index; ///< Bot id to ref.
  };

  static std::size_t shard_of(std::uint64_t key) noexcept { return key >> 58; }
  static std::size_t bot_shard_of(bot_id bot) noexcept;
  found view(const entry& x) const;

  std::uint32_t age(clock::time_point now) const noexcept;
  std::uint32_t end_of(clock::time_point until) const noexcept;
  void link_bot(bot_id bot, std::uint32_t ref);
  void unlink_bot(bot_id bot, std::uint32_t ref);
  void count_phase(bot_phase from, bot_phase to) noexcept;
  std::optional<std::uint32_t> ref_of(std::uint64_t key) const;
  found release(std::uint32_t ref);
  std::optional<std::uint32_t> idle_unproven(clock::time_point now);
  template <class Change>
  bool change(std::uint64_t key, bot_id home, Change f);

  directory_limits limits_;
  clock::time_point born_;
  std::unique_ptr<std::array<shard, shard_count>> shards_;
  std::unique_ptr<std::array<bot_shard, shard_count>> bots_;
  /// Taken before any shard's mutex by all who make, move or end entries, so these never
  /// interleave.
  mutable std::mutex write_;
  std::vector<std::uint32_t> unproven_; ///< Refs, unordered. Guarded by `write_`.
  std::uint32_t none_idle_before_ = 0;  ///< Age at which a scan of `unproven_` makes sense again.
  std::atomic<std::size_t> unproven_count_{0};
  std::atomic<bool> complete_{true};
  std::array<std::atomic<std::uint64_t>, bot_phase_names.size()> phases_{};
};

} // namespace troupe

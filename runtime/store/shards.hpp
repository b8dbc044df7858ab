#pragma once
#include "messages/cluster.hpp"
#include "runtime/policy/shard_map.hpp"
#include "runtime/store/database.hpp"

/// Which shard a bot is in, as far as the database must know it, and who may write for a shard.
namespace troupe::store {

/// Shards in a form that a statement can ask: a text with a 1 at each of them.
class shard_set {
public:
  shard_set() = default;
  explicit shard_set(std::span<const shard_id> shards) : shards_(shards.begin(), shards.end()) {
    for (auto one : shards)
      text_.at(one) = '1';
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::vector<shard_id>& shards() const noexcept { return shards_; }

private:
  std::string text_ = std::string(shard_count, '0');
  std::vector<shard_id> shards_;
};

/// Whether the row's shard (a column) is in the set that is the statement's parameter.
#define TROUPE_IN_SHARDS(column)                                                                   \
  "SUBSTR(CAST(:shards AS TEXT), CAST(" column " AS INTEGER) + 1, 1) = '1'"

/// Notes a bot's shard: when it is added.
void add_bot_shard(unit& u, bot_id bot);

/// For the migration: a fence for every shard, the shard of every bot that is there.
void fill_shards(unit& u);

// -- fences --------------------------------------------------------------------------------------

/// A new owner's first step: from its commit on nobody with an older revision writes. A fence is
/// never lowered. `of` names no shard twice.
void raise_fences(unit& u, std::span<const shard_hold> of);

/// Of the shards that a unit writes for, under the revisions of whoever writes: those that have a
/// newer owner. Nothing may be written for these.
///
/// On PostgreSQL the fences stay locked (FOR SHARE) until the unit ends. Without that a unit could
/// look, see itself as the owner, and commit after the next owner raised the fence and read what
/// was stored: units that behave as if they ran one after the other may do so in an order that is
/// not the one of their commits. With it either the raise waits for this unit's commit, and the new
/// owner reads what it wrote; or it came first, and this unit is run again and sees it. Writers of
/// one shard do not wait for each other. A unit whose process was stopped while it holds these
/// locks is ended by the server after `fence_patience`, so that the next owner need not wait for
/// longer. SQLite has one writer at a time: there is nothing to lock.
[[nodiscard]] std::vector<shard_id> newer_fences(unit& u, std::span<const shard_hold> held);

inline constexpr std::chrono::milliseconds fence_patience{3000};

} // namespace troupe::store

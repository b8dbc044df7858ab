#include "runtime/store/shards.hpp"

#include "runtime/store/chunks.hpp"

#include <algorithm>

namespace troupe::store {
namespace {

constexpr std::size_t bots_at_once = 5000;

const row_insert& into_bot_shards() {
  static const row_insert result{"INSERT INTO bot_shards (bot, shard) VALUES", 2};
  return result;
}

} // namespace

void add_bot_shard(unit& u, bot_id bot) {
  u.execute("INSERT INTO bot_shards (bot, shard) VALUES (:bot, :shard)", bot, shard_of(bot));
}

void fill_shards(unit& u) {
  std::vector<borrowed> fences;
  for (std::size_t shard = 0; shard < shard_count; ++shard) {
    fences.emplace_back(shard);
    fences.emplace_back(0);
  }
  static const row_insert into_fences{"INSERT INTO shard_fences (shard, revision) VALUES", 2};
  into_fences.run(u, fences);
  auto after = std::numeric_limits<bot_id>::min();
  for (;;) {
    auto some = u.rows<std::tuple<bot_id>>(
      "SELECT id FROM bots WHERE id > :after ORDER BY id LIMIT :limit", after, bots_at_once);
    std::vector<borrowed> rows;
    for (auto& [bot] : some) {
      rows.emplace_back(bot);
      rows.emplace_back(shard_of(bot));
    }
    into_bot_shards().run(u, rows);
    if (some.size() < bots_at_once)
      return;
    after = std::get<0>(some.back());
  }
}

void raise_fences(unit& u, std::span<const shard_hold> of) {
  // In one order: two who raise wait for each other, and not in a circle.
  std::vector<shard_hold> sorted{of.begin(), of.end()};
  std::ranges::sort(sorted, {}, &shard_hold::shard);
  std::vector<borrowed> rows;
  for (auto& one : sorted) {
    rows.emplace_back(one.shard);
    rows.emplace_back(one.revision);
  }
  static const row_insert raise{"INSERT INTO shard_fences (shard, revision) VALUES", 2,
                                "ON CONFLICT (shard) DO UPDATE SET "
                                "previous = shard_fences.revision, revision = excluded.revision "
                                "WHERE shard_fences.revision < excluded.revision"};
  raise.run(u, rows);
}

std::vector<shard_id> newer_fences(unit& u, std::span<const shard_hold> held) {
  std::vector<std::int64_t> shards;
  for (auto& one : held)
    shards.push_back(one.shard);
  std::ranges::sort(shards);
  // One statement for as many shards as there are: mostly a few, and never more than all.
  std::vector<shard_id> result;
  std::span<const std::int64_t> left = shards;
  const auto sqlite = u.kind() == backend::sqlite;
  while (!left.empty()) {
    static const auto list = '(' + placeholders(ids_in_a_statement) + ')';
    static const auto plain = "SELECT shard, revision, '' FROM shard_fences WHERE shard IN " + list;
    static const auto locking =
      "SELECT shard, revision, set_config('idle_in_transaction_session_timeout', '"
      + std::to_string(fence_patience.count()) + "', true) FROM shard_fences WHERE shard IN " + list
      + " ORDER BY shard FOR SHARE";
    using row = std::tuple<shard_id, std::int64_t, std::string>;
    for (auto& [shard, revision, timeout] :
         u.rows_with<row>(sqlite ? plain : locking, next_chunk({}, left))) {
      auto mine = std::ranges::find(held, shard, &shard_hold::shard);
      if (mine != held.end() && revision > mine->revision)
        result.push_back(shard);
    }
  }
  return result;
}

} // namespace troupe::store

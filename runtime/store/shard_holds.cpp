#include "runtime/store/shard_holds.hpp"

#include "runtime/store/chunks.hpp"
#include "runtime/store/shards.hpp"

#include <algorithm>
#include <chrono>
#include <map>

namespace troupe::store {
namespace {

using std::chrono::milliseconds;

/// In the column of the method: all of them.
constexpr std::string_view whole_bot = "*";

std::int64_t now_of(unit& u) {
  constexpr std::string_view sqlite =
    "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
  constexpr std::string_view postgresql =
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
  return u.value<std::int64_t>(u.kind() == backend::sqlite ? sqlite : postgresql).value();
}

/// No row comes twice, all come in one order: two units that write some of them do not wait for
/// each other in a circle.
using row_key = std::tuple<shard_id, bot_id, std::int64_t, std::string_view>;

} // namespace

void keep_holds(unit& u, std::span<const past_hold> of) {
  std::vector<shard_hold> holds;
  std::vector<std::int64_t> shards;
  for (const auto& one : of) {
    auto shard = shard_of(one.bot);
    auto known = std::ranges::find(holds, shard, &shard_hold::shard);
    if (known == holds.end()) {
      holds.push_back({shard, one.revision});
      shards.push_back(shard);
    } else {
      known->revision = std::max(known->revision, one.revision);
    }
  }
  if (holds.empty())
    return;
  auto newer = newer_fences(u, holds);
  auto now = now_of(u);
  std::map<row_key, std::int64_t> until;
  for (const auto& one : of) {
    auto shard = shard_of(one.bot);
    if (std::ranges::count(newer, shard) != 0)
      continue;
    auto& at = until[{shard, one.bot, one.whole ? 0 : one.chat,
                      one.whole ? whole_bot : std::string_view{one.method}}];
    at = std::max(at, now + std::chrono::ceil<milliseconds>(one.left).count());
  }
  std::erase_if(shards, [&](auto shard) {
    return std::ranges::count(newer, static_cast<shard_id>(shard)) != 0;
  });
  std::ranges::sort(shards);
  remove_of(u, "DELETE FROM shard_holds WHERE until <= :now AND shard IN ", {to_parameter(now)},
            shards);
  std::vector<borrowed> rows;
  for (const auto& [key, at] : until) {
    auto& [shard, bot, chat, method] = key;
    rows.emplace_back(shard);
    rows.emplace_back(bot);
    rows.emplace_back(chat);
    rows.emplace_back(method);
    rows.emplace_back(at);
  }
  static const row_insert keep{"INSERT INTO shard_holds (shard, bot, chat, method, until) VALUES",
                               5,
                               "ON CONFLICT (shard, bot, chat, method) DO UPDATE SET "
                               "until = excluded.until WHERE shard_holds.until < excluded.until"};
  keep.run(u, rows);
}

void forget_holds(unit& u, bot_id bot) {
  u.execute("DELETE FROM shard_holds WHERE shard = :shard AND bot = :bot", shard_of(bot), bot);
}

std::vector<past_hold> find_holds(unit& u, std::span<const shard_hold> of) {
  std::vector<std::int64_t> shards;
  for (const auto& one : of)
    shards.push_back(one.shard);
  std::ranges::sort(shards);
  shards.erase(std::ranges::unique(shards).begin(), shards.end());
  auto now = now_of(u);
  std::vector<past_hold> result;
  using row = std::tuple<shard_id, std::int64_t, bot_id, std::int64_t, std::string, std::int64_t>;
  for (auto& [shard, revision, bot, chat, method, until] :
       rows_of<row>(u,
                    "SELECT f.shard, f.revision, h.bot, h.chat, h.method, h.until "
                    "FROM shard_holds h JOIN shard_fences f ON f.shard = h.shard "
                    "WHERE h.until > :now AND h.shard IN ",
                    {to_parameter(now)}, shards)) {
    auto mine = std::ranges::find(of, shard, &shard_hold::shard);
    if (mine == of.end() || mine->revision != revision)
      continue;
    auto whole = method == whole_bot;
    result.push_back({bot, chat, whole ? std::string{} : std::move(method), whole, revision,
                      milliseconds{until - now}});
  }
  return result;
}

} // namespace troupe::store

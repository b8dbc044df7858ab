#include "runtime/policy/grant_engine.hpp"
#include "runtime/policy/mutation.hpp"

#include <algorithm>

/// Shards of bots that come to a node and go from it, with what may count yet in their windows.
namespace troupe {

void grant_engine::own_shard(shard_id shard, std::int64_t revision, time_point since) {
  auto& owned = *memory_->owned;
  if (owned.revisions[shard] == revision)
    return;
  owned.revisions[shard] = revision;
  owned.since.rates[shard] = owned.since.chats[shard] = since;
}

bool grant_engine::gave_up(shard_id shard, std::int64_t revision) const noexcept {
  return memory_->owned->left[shard] == revision;
}

void grant_engine::inherit(shard_id shard, std::int64_t revision, const shard_past& past,
                           time_point since, time_point now) {
  auto& owned = *memory_->owned;
  if (owned.revisions[shard] == revision)
    return;
  own_shard(shard, revision, since);
  owned.since.chats[shard] = past.seen >= shard_past::longest ? time_point::min() : now - past.seen;
  std::erase_if(owned.inherited, [&](auto& x) { return now - x.at >= shard_past::longest; });
  for (const auto& one : past.permits) {
    if (TROUPE_MUTATION("past-forgotten"))
      break;
    charge what{one.bot, one.chat, 0, one.group, false};
    owned.inherited.push_back({now - one.age, what});
    budgets_.inherit_chat(what, now - one.age, now);
  }
}

std::vector<grant_engine::given_up> grant_engine::give_up(const std::vector<shard_id>& shards,
                                                          time_point now) {
  auto& owned = *memory_->owned;
  auto unless_never = [](time_point at, duration length) {
    return at == time_point::min() ? at : at - length;
  };
  auto complete = std::max({memory_->chats.lost_until(),
                            unless_never(memory_->chats_full_until, shard_past::longest_private),
                            unless_never(memory_->groups_full_until, shard_past::longest)});
  constexpr auto none = shard_count;
  std::array<std::size_t, shard_count> places;
  places.fill(none);
  std::vector<given_up> result;
  for (auto shard : shards) {
    auto revision = std::exchange(owned.revisions[shard], 0);
    if (revision == 0)
      continue;
    owned.left[shard] = revision;
    auto known = std::max(complete, owned.since.chats[shard]);
    auto seen = known == time_point::min() ? shard_past::longest : now - known;
    places[shard] = result.size();
    result.push_back({shard, revision, {std::clamp(seen, duration{0}, shard_past::longest), {}}});
  }
  auto is_left = [&](const charge& x) { return x.bot > 0 && places[shard_of(x.bot)] != none; };
  auto note = [&](time_point at, const charge& x) {
    if (!is_left(x))
      return;
    budgets_.forget_chat(x);
    if (now - at < (x.group ? shard_past::longest : shard_past::longest_private))
      result[places[shard_of(x.bot)]].past.permits.push_back({x.bot, x.chat, x.group, now - at});
  };
  for (const auto& [at, what] : owned.inherited)
    note(at, what);
  memory_->chats.for_each(note);
  std::erase_if(owned.inherited, [&](auto& x) { return is_left(x.what); });
  memory_->chats.revoke_if(is_left);
  return result;
}

} // namespace troupe

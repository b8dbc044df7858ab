#include "actors/journal/group.hpp"

#include "actors/store/convert.hpp"
#include "runtime/telegram/updates.hpp"

namespace troupe::journal {

std::string_view kind_name(std::uint8_t kind) noexcept {
  auto all = telegram::update_kinds();
  return kind < all.size() ? all[kind].name : std::string_view{};
}

stored_update update_of(store::update_record&& x) {
  stored_update to;
  to.seq = x.seq;
  to.id = x.update_id;
  to.kind = telegram::find_update_kind(x.kind);
  to.urgent = x.urgent;
  // As telegram::read_update numbers them: one that is read from the store and one that never left
  // memory have the same key, or the one would overtake the other.
  bool known = to.kind != telegram::unknown_update_kind;
  to.key = {x.own_key ? static_cast<std::uint8_t>(to.kind + (known ? 1 : 0)) : std::uint8_t{0},
            x.key_id};
  to.received = x.received;
  to.expires = x.expires;
  to.body = shared_text{std::move(x.body)};
  return to;
}

void group::run(store::unit& u) {
  fenced.clear();
  if (!holds.empty())
    for (auto shard : store::newer_fences(u, holds))
      fenced.insert(shard);
  for (auto bot : forgotten)
    if (!is_fenced(bot))
      store::forget_updates(u, bot);
  if (reserve > 0)
    reserved = store::reserve_numbers(u, reserve);
  store::merge_marks(u, merged);
  if (merged_below > 0)
    store::drop_merged_marks(u, merged_below);
  append(u);
  end(u);
  for (auto& one : replays)
    if (!is_fenced(one.what.bot))
      replay_letters(u, one);
  went.clear();
  for (auto bot : trimmed)
    went.push_back(is_fenced(bot) ? 0 : store::trim_dead_letters(u, bot, max_dead));
  for (auto& [bot, keep] : truncated)
    if (!is_fenced(bot))
      store::truncate_marks(u, bot, keep);
}

void group::append(store::unit& u) {
  auto known = tops; // The results are of the last run.
  for (auto& [bot, top] : known)
    if (!top)
      top = store::highest_update_id(u, bot).value_or(std::numeric_limits<std::int64_t>::min());
  std::vector<std::int64_t> boxed;
  for (std::size_t i = 0; i < updates.size(); ++i)
    if (places[i] != 0 && !is_fenced(bots[i]))
      boxed.push_back(places[i]);
  if (!boxed.empty())
    boxed = store::take_from_box(u, boxed);
  std::vector<store::new_update> rows;
  std::vector<std::size_t> which;
  rows.reserve(updates.size());
  which.reserve(updates.size());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    // What is not in the box any more was taken out by an earlier group.
    if (is_fenced(bots[i]) || (places[i] != 0 && !std::ranges::binary_search(boxed, places[i])))
      continue;
    which.push_back(i);
    auto& x = updates[i];
    auto& top = *known[bots[i]];
    rows.push_back({x.seq, bots[i], x.id, hashes[i], kind_name(x.kind), x.key.kind != 0, x.key.id,
                    x.urgent, x.received, x.expires, x.body.str(), !wary && x.id > top,
                    !settled.contains(bots[i])});
    top = std::max(top, x.id);
  }
  auto went_in = store::append_updates(u, rows);
  stored.assign(updates.size(), false);
  for (std::size_t i = 0; i < which.size(); ++i)
    stored[which[i]] = went_in[i];
  tops = std::move(known);
}

void group::end(store::unit& u) {
  std::vector<std::int64_t> seqs;
  seqs.reserve(ends.size());
  was_buried.assign(ends.size(), false);
  auto letter = first_letter;
  for (std::size_t i = 0; i < ends.size(); ++i)
    if (auto& x = ends[i]; is_fenced(x.bot))
      letter += x.buried ? 1 : 0;
    else if (x.buried)
      was_buried[i] = store::bury_update(u, x.seq, letter++, now, x.attempts, x.reason);
    else
      seqs.push_back(x.seq);
  store::end_updates(u, seqs);
}

void group::replay_letters(store::unit& u, replay& x) const {
  x.updates.clear();
  x.missing.clear();
  x.gone = 0;
  auto bot = x.what.bot;
  auto ids = x.what.ids;
  if (ids.empty())
    ids = store::oldest_dead_letters(u, bot, x.numbers.size());
  auto expires = [this](std::string_view kind) {
    auto index = telegram::find_update_kind(kind);
    auto all = telegram::update_kinds();
    if (index >= all.size())
      return now + lifetime;
    auto own = std::chrono::milliseconds{all[index].lifetime}.count();
    return now + std::min<std::int64_t>(own, lifetime);
  };
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto done = store::replay_dead_letter(u, bot, ids[i], x.numbers[i], expires);
    if (done.update)
      x.updates.push_back(*done.update);
    else if (!done.gone)
      x.missing.push_back(ids[i]);
    x.gone += done.gone;
  }
  audit_row row;
  row.at = now;
  row.by = x.what.by;
  row.tenant = x.what.tenant;
  row.action = "dead-letters.replay";
  row.subject = "bot:" + std::to_string(bot);
  row.outcome = "ok";
  row.detail = "{\"replayed\":" + std::to_string(x.gone) + "}";
  store::add_audit(u, storage::entry_of(row));
}

} // namespace troupe::journal

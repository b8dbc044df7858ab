#include "runtime/store/update_box.hpp"

#include "runtime/store/chunks.hpp"

#include <algorithm>
#include <limits>

namespace troupe::store {

std::optional<std::size_t> put_in_box(unit& u, std::span<const new_update> what, std::size_t most) {
  if (what.empty())
    return 0;
  auto bot = what.front().bot;
  auto there =
    u.value<std::int64_t>("SELECT COUNT(*) FROM update_box WHERE bot = :bot", bot).value_or(0);
  if (there > 0 && static_cast<std::size_t>(there) + what.size() > most)
    return std::nullopt;
  static const row_insert into_box{
    "INSERT INTO update_box (bot, update_id, hash, kind, own_key, key_id, urgent, received, "
    "expires, body) VALUES",
    10, "ON CONFLICT DO NOTHING"};
  std::size_t fresh = 0;
  for (auto& x : what) {
    std::array row{borrowed{bot},      borrowed{x.update_id}, borrowed{x.hash},
                   borrowed{x.kind},   borrowed{x.own_key},   borrowed{x.key_id},
                   borrowed{x.urgent}, borrowed{x.received},  borrowed{x.expires},
                   borrowed{x.body}};
    fresh += into_box.run_one(u, row) ? 1 : 0;
  }
  return fresh;
}

std::vector<bot_id> bots_in_box(unit& u) {
  std::vector<bot_id> result;
  for (auto& [bot] : u.rows<std::tuple<bot_id>>("SELECT DISTINCT bot FROM update_box ORDER BY bot"))
    result.push_back(bot);
  return result;
}

std::vector<update_record> look_in_box(unit& u, bot_id bot, std::size_t limit,
                                       std::uint64_t max_bytes) {
  using row = std::tuple<std::int64_t, bot_id, std::int64_t, std::string, bool, std::int64_t, bool,
                         std::int64_t, std::int64_t, std::string>;
  std::vector<update_record> result;
  std::int64_t after = std::numeric_limits<std::int64_t>::min();
  std::uint64_t bytes = 0;
  for (auto some = few_updates;
       some == few_updates && result.size() < limit && bytes <= max_bytes;) {
    auto rows = u.rows<row>("SELECT place, bot, update_id, kind, own_key, key_id, urgent, "
                            "received, expires, body FROM update_box WHERE bot = :bot "
                            "AND place > :after ORDER BY place LIMIT :limit",
                            bot, after, std::min(few_updates, limit - result.size()));
    some = rows.size();
    for (auto& x : rows) {
      std::apply([&](auto&... one) { result.push_back(update_record{std::move(one)...}); }, x);
      after = result.back().seq;
      bytes += result.back().body.size();
    }
  }
  return result;
}

std::vector<std::int64_t> take_from_box(unit& u, std::span<const std::int64_t> places) {
  std::vector<std::int64_t> there;
  for (auto& [place] : rows_of<std::tuple<std::int64_t>>(
         u, "SELECT place FROM update_box WHERE place IN ", {}, places))
    there.push_back(place);
  std::ranges::sort(there);
  there.erase(std::unique(there.begin(), there.end()), there.end());
  remove_of(u, "DELETE FROM update_box WHERE place IN ", {}, there);
  return there;
}

} // namespace troupe::store

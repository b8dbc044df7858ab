#include "runtime/store/shard_pasts.hpp"

#include "runtime/policy/shard_past.hpp"
#include "runtime/store/chunks.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace troupe::store {
namespace {

using std::chrono::milliseconds;

std::int64_t ms_of(caf::timespan x) {
  return std::chrono::floor<milliseconds>(x).count();
}

/// "seen;bot chat group age;…", times in milliseconds, rounded down: nobody counts for a shorter
/// time than it must.
std::string text_of(const past_of_shard& x) {
  auto result = std::to_string(ms_of(x.seen));
  for (const auto& one : x.messages)
    result += ';' + std::to_string(one.bot) + ' ' + std::to_string(one.chat)
              + (one.group ? " 1 " : " 0 ") + std::to_string(ms_of(one.age));
  return result;
}

/// Numbers, each after a character of its own.
class numbers {
public:
  explicit numbers(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  [[nodiscard]] bool over() const noexcept { return at_ == end_; }
  std::int64_t next(char before = 0) {
    if (before != 0 && (over() || *at_++ != before))
      ok_ = false;
    std::int64_t result = 0;
    auto [rest, error] = std::from_chars(at_, end_, result);
    ok_ = ok_ && error == std::errc{};
    at_ = ok_ ? rest : end_;
    return result;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

private:
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

/// @returns false if it is no such text
bool read_text(std::string_view text, past_of_shard& to) {
  numbers from{text};
  to.seen = milliseconds{from.next()};
  while (from.ok() && !from.over()) {
    auto& one = to.messages.emplace_back();
    one.bot = from.next(';');
    one.chat = from.next(' ');
    one.group = from.next(' ') != 0;
    one.age = milliseconds{from.next(' ')};
  }
  return from.ok();
}

} // namespace

void keep_pasts(unit& u, std::span<const past_of_shard> of) {
  std::vector<std::string> texts;
  for (const auto& one : of)
    texts.push_back(text_of(one));
  std::vector<borrowed> rows;
  for (std::size_t i = 0; i < of.size(); ++i) {
    rows.emplace_back(of[i].shard);
    rows.emplace_back(of[i].revision);
    rows.emplace_back(texts[i]);
  }
  static const row_insert keep{"INSERT INTO shard_pasts (shard, revision, past) VALUES", 3,
                               "ON CONFLICT (shard) DO UPDATE SET revision = excluded.revision, "
                               "past = excluded.past "
                               "WHERE shard_pasts.revision < excluded.revision"};
  keep.run(u, rows);
}

std::vector<past_of_shard> find_pasts(unit& u, std::span<const shard_hold> of) {
  std::vector<std::int64_t> shards;
  for (const auto& one : of)
    shards.push_back(one.shard);
  using row = std::tuple<shard_id, std::int64_t, std::int64_t, std::int64_t, std::string>;
  std::vector<past_of_shard> result;
  for (auto& [shard, revision, previous, left, past] : rows_of<row>(
         u,
         "SELECT f.shard, f.revision, f.previous, COALESCE(p.revision, -1), COALESCE(p.past, '') "
         "FROM shard_fences f LEFT JOIN shard_pasts p ON p.shard = f.shard WHERE f.shard IN ",
         {}, shards)) {
    auto mine = std::ranges::find(of, shard, &shard_hold::shard);
    if (mine == of.end() || mine->revision != revision
        || std::ranges::count(result, shard, &past_of_shard::shard) != 0)
      continue;
    past_of_shard one{shard, revision, shard_past::longest, {}};
    if (previous == 0 || (previous == left && read_text(past, one)))
      result.push_back(std::move(one));
  }
  return result;
}

} // namespace troupe::store

#include "runtime/store/updates.hpp"

#include "runtime/store/chunks.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace troupe::store {
namespace {

constexpr std::size_t update_width = 10;
constexpr std::size_t mark_width = 4;

/// The columns that a mark has wherever it is.
#define TROUPE_MARK_COLUMNS " (bot, update_id, hash, seq) VALUES"

const row_insert& into_updates() {
  static const row_insert result{
    "INSERT INTO updates (seq, bot, update_id, kind, own_key, key_id, urgent, received, expires, "
    "body) VALUES",
    update_width};
  return result;
}

const row_insert& into_marks() {
  static const row_insert result{"INSERT INTO update_marks" TROUPE_MARK_COLUMNS, mark_width};
  return result;
}

const row_insert& into_marks_unless_there() {
  static const row_insert result{"INSERT INTO update_marks" TROUPE_MARK_COLUMNS, mark_width,
                                 "ON CONFLICT DO NOTHING"};
  return result;
}

const row_insert& into_fresh_marks() {
  static const row_insert result{"INSERT INTO fresh_marks (seq, marks) VALUES", 2};
  return result;
}

// -- fresh marks in a row: ";bot update_id hash seq" for each

template <class Mark>
void pack(std::string& to, const Mark& x) {
  constexpr std::size_t longest = 4 * 21; // A sign or blank, 19 or 20 digits.
  auto before = to.size();
  to.resize(before + longest);
  auto* at = to.data() + before;
  auto* end = to.data() + to.size();
  char separator = ';';
  for (std::int64_t number : {std::int64_t{x.bot}, x.update_id, x.hash, x.seq}) {
    *at++ = std::exchange(separator, ' ');
    at = std::to_chars(at, end, number).ptr;
  }
  to.resize(static_cast<std::size_t>(at - to.data()));
}

void unpack(std::string_view packed, std::vector<update_mark>& to) {
  const auto* at = packed.data();
  const auto* end = at + packed.size();
  while (at != end) {
    update_mark x;
    for (auto* number : {&x.bot, &x.update_id, &x.hash, &x.seq}) {
      auto read = std::from_chars(at + 1, end, *number); // Behind the separator.
      if (read.ec != std::errc{})
        throw store_error(fault::other, "a row of fresh_marks cannot be read");
      at = read.ptr;
    }
    to.push_back(x);
  }
}

using packed_marks = std::tuple<std::int64_t, std::string>; ///< The row's number first.

template <class... Args>
void add(std::vector<borrowed>& to, const Args&... args) {
  (to.emplace_back(args), ...);
}

template <class Mark>
void add_mark(std::vector<borrowed>& to, const Mark& x) {
  add(to, x.bot, x.update_id, x.hash, x.seq);
}

constexpr std::string_view letter_columns =
  "id, bot, update_id, kind, own_key, key_id, urgent, received, died, attempts, reason, body";

// -- SipHash-2-4 under the key 0 (Aumasson, Bernstein: https://www.aumasson.jp/siphash/)

struct sip_state {
  std::uint64_t a = 0x736f6d6570736575, b = 0x646f72616e646f6d, c = 0x6c7967656e657261,
                d = 0x7465646279746573;
  void rounds(int count) noexcept {
    while (count-- > 0) {
      a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
      c += d, d = std::rotl(d, 16) ^ c;
      a += d, d = std::rotl(d, 21) ^ a;
      c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
    }
  }
  void add(std::uint64_t word) noexcept {
    d ^= word;
    rounds(2);
    a ^= word;
  }
};

/// The first eight bytes, or what there is, as a little-endian number.
std::uint64_t word_of(std::string_view bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data(), std::min<std::size_t>(bytes.size(), sizeof word));
  static_assert(std::endian::native == std::endian::little);
  return word;
}

} // namespace

static auto columns(pending_update& x) {
  return std::tie(x.seq, x.bot, x.update_id, x.urgent, x.received, x.expires);
}

static auto columns(update_record& x) {
  return std::tie(x.seq, x.bot, x.update_id, x.kind, x.own_key, x.key_id, x.urgent, x.received,
                  x.expires, x.body);
}

static auto columns(dead_letter& x) {
  auto& update = x.update;
  return std::tie(x.id, update.bot, update.update_id, update.kind, update.own_key, update.key_id,
                  update.urgent, update.received, x.died, x.attempts, x.reason, update.body);
}

std::int64_t content_hash(std::string_view body) noexcept {
  sip_state state;
  auto rest = body;
  for (; rest.size() >= 8; rest.remove_prefix(8))
    state.add(word_of(rest));
  state.add(word_of(rest) | std::uint64_t{body.size() & 0xff} << 56);
  state.c ^= 0xff;
  state.rounds(4);
  return static_cast<std::int64_t>(state.a ^ state.b ^ state.c ^ state.d);
}

std::int64_t reserve_numbers(unit& u, std::int64_t count) {
  auto next = u.value<std::int64_t>(
    "UPDATE journal_numbers SET next = next + :count WHERE name = 'seq' RETURNING next", count);
  if (!next)
    throw store_error(fault::schema, "the journal's numbers are not there");
  return *next - count;
}

std::vector<bool> append_updates(unit& u, std::span<const new_update> what) {
  std::vector<bool> stored(what.size(), true);
  std::string fresh;
  std::int64_t highest = 0;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < what.size(); ++i)
    if (what[i].merged_later) {
      pack(fresh, what[i]);
      highest = std::max(highest, what[i].seq);
    } else {
      order.push_back(i);
    }
  if (!fresh.empty()) {
    std::vector<borrowed> row;
    add(row, highest, fresh);
    into_fresh_marks().run(u, row);
  }
  // By bot, so that marks of one page are written together.
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return what[i].bot; });
  std::vector<borrowed> marks;
  for (auto i : order)
    if (what[i].surely_new)
      add_mark(marks, what[i]);
  into_marks().run(u, marks);
  // Afterwards: one may be the same as one before it.
  for (auto i : order)
    if (!what[i].surely_new) {
      std::vector<borrowed> one;
      add_mark(one, what[i]);
      stored[i] = into_marks_unless_there().run_one(u, one);
    }
  std::vector<borrowed> updates;
  updates.reserve(what.size() * update_width);
  for (std::size_t i = 0; i < what.size(); ++i)
    if (auto& x = what[i]; stored[i])
      add(updates, x.seq, x.bot, x.update_id, x.kind, x.own_key, x.key_id, x.urgent, x.received,
          x.expires, x.body);
  into_updates().run(u, updates);
  return stored;
}

void merge_marks(unit& u, std::vector<update_mark>& marks) {
  std::ranges::sort(marks, {},
                    [](const update_mark& x) { return std::tie(x.bot, x.update_id, x.seq); });
  std::vector<borrowed> all;
  all.reserve(marks.size() * mark_width);
  for (auto& x : marks)
    add_mark(all, x);
  into_marks_unless_there().run(u, all);
}

void merge_all_marks(unit& u) {
  std::vector<update_mark> marks;
  std::vector<std::int64_t> rows;
  for (auto& [seq, packed] : u.rows<packed_marks>("SELECT seq, marks FROM fresh_marks")) {
    unpack(packed, marks);
    rows.push_back(seq);
  }
  merge_marks(u, marks);
  remove_of(u, "DELETE FROM fresh_marks WHERE seq IN ", {}, rows);
}

void drop_merged_marks(unit& u, std::int64_t below) {
  u.execute("DELETE FROM fresh_marks WHERE seq < :below", below);
}

std::optional<std::int64_t> highest_update_id(unit& u, bot_id bot) {
  return u.value<std::int64_t>(
    "SELECT update_id FROM update_marks WHERE bot = :bot ORDER BY update_id DESC LIMIT 1", bot);
}

std::optional<std::int64_t> last_update_id(unit& u, bot_id bot) {
  return u.value<std::int64_t>(
    "SELECT update_id FROM update_marks WHERE bot = :bot ORDER BY seq DESC LIMIT 1", bot);
}

std::optional<std::int64_t> seq_of_update(unit& u, bot_id bot, std::int64_t update_id) {
  return u.value<std::int64_t>("SELECT seq FROM update_marks WHERE bot = :bot "
                               "AND update_id = :update ORDER BY seq LIMIT 1",
                               bot, update_id);
}

std::vector<pending_update> load_pending(unit& u, std::int64_t after, std::size_t limit) {
  return u.rows<pending_update>("SELECT seq, bot, update_id, urgent, received, expires "
                                "FROM updates WHERE seq > :after ORDER BY seq LIMIT :limit",
                                after, limit);
}

std::vector<pending_update> load_pending(unit& u, std::int64_t after, std::size_t limit,
                                         const shard_set& of) {
  return u.rows<pending_update>(
    "SELECT u.seq, u.bot, u.update_id, u.urgent, u.received, u.expires FROM updates u "
    "JOIN bot_shards s ON s.bot = u.bot WHERE u.seq > :after AND " TROUPE_IN_SHARDS(
      "s.shard") " "
                 "ORDER BY u.seq LIMIT :limit",
    after, of.text(), limit);
}

std::vector<pending_update> pending_of(unit& u, bot_id bot) {
  auto result =
    u.rows<pending_update>("SELECT u.seq, u.bot, u.update_id, u.urgent, u.received, u.expires "
                           "FROM update_marks m JOIN updates u ON u.seq = m.seq WHERE m.bot = :bot",
                           bot);
  std::ranges::sort(result, {}, &pending_update::seq);
  return result;
}

std::vector<update_record> read_updates(unit& u, std::span<const std::int64_t> seqs) {
  return rows_of<update_record>(
    u,
    "SELECT seq, bot, update_id, kind, own_key, key_id, urgent, received, expires, body "
    "FROM updates WHERE seq IN ",
    {}, seqs);
}

std::vector<update_record> read_updates(unit& u, std::span<const std::int64_t> seqs,
                                        std::uint64_t max_bytes, std::size_t& read) {
  std::vector<update_record> result;
  std::uint64_t bytes = 0;
  read = 0;
  while (read < seqs.size() && bytes <= max_bytes) {
    // While all that came is small, what comes is taken for small too.
    auto some = bytes < max_bytes / 16 && read > 0 ? ids_in_a_statement : few_updates;
    some = std::min(some, seqs.size() - read);
    for (auto& one : read_updates(u, seqs.subspan(read, some))) {
      bytes += one.body.size();
      result.push_back(std::move(one));
    }
    read += some;
  }
  return result;
}

void end_updates(unit& u, std::vector<std::int64_t>& seqs) {
  std::ranges::sort(seqs);
  auto end_run = [&u](std::int64_t first, std::int64_t last) {
    u.execute("DELETE FROM updates WHERE seq >= :first AND seq <= :last", first, last);
  };
  // Mostly they follow each other: a run is one step.
  std::vector<std::int64_t> single;
  for (std::size_t i = 0; i < seqs.size();) {
    auto first = seqs[i];
    auto last = first;
    while (++i < seqs.size() && seqs[i] <= last + 1)
      last = seqs[i];
    if (first == last)
      single.push_back(first);
    else
      end_run(first, last);
  }
  // Of a database on another machine each statement is a journey.
  constexpr std::size_t few = 8;
  if (single.size() > few)
    return remove_of(u, "DELETE FROM updates WHERE seq IN ", {}, single);
  for (auto seq : single)
    end_run(seq, seq);
}

bool bury_update(unit& u, std::int64_t seq, std::int64_t id, std::int64_t died,
                 std::uint32_t attempts, std::string_view reason) {
  auto buried = u.execute(
    "INSERT INTO dead_letters (id, bot, update_id, kind, own_key, key_id, urgent, received, died, "
    "attempts, reason, body) SELECT CAST(:id AS BIGINT), bot, update_id, kind, own_key, key_id, "
    "urgent, received, CAST(:died AS BIGINT), CAST(:attempts AS BIGINT), CAST(:reason AS TEXT), "
    "body FROM updates WHERE seq = :seq",
    id, died, attempts, reason, seq);
  u.execute("DELETE FROM updates WHERE seq >= :first AND seq <= :last", seq, seq);
  return buried == 1;
}

void truncate_marks(unit& u, bot_id bot, std::size_t keep) {
  u.execute("DELETE FROM update_marks WHERE bot = :bot AND seq <= "
            "(SELECT seq FROM update_marks WHERE bot = :same ORDER BY seq DESC "
            "LIMIT 1 OFFSET :keep) "
            "AND NOT EXISTS (SELECT 1 FROM updates u WHERE u.seq = update_marks.seq)",
            bot, bot, keep);
}

dead_letters list_dead_letters(unit& u, bot_id bot, std::int64_t after, std::size_t limit,
                               std::uint64_t max_bytes) {
  static const auto sql = "SELECT " + std::string{letter_columns}
                          + " FROM dead_letters WHERE bot = :bot AND id > :after "
                            "ORDER BY id LIMIT :limit";
  dead_letters result;
  std::uint64_t bytes = 0;
  result.more = true;
  while (result.more && result.rows.size() < limit && bytes <= max_bytes) {
    auto some = std::min(few_updates, limit - result.rows.size());
    auto rows = u.rows<dead_letter>(sql, bot, after, some);
    result.more = rows.size() == some;
    for (auto& x : rows) {
      after = x.id;
      bytes += x.update.body.size();
      result.rows.push_back(std::move(x));
    }
  }
  if (result.more)
    result.more = u.value<std::int64_t>("SELECT id FROM dead_letters WHERE bot = :bot "
                                        "AND id > :after ORDER BY id LIMIT 1",
                                        bot, after)
                    .has_value();
  return result;
}

std::vector<std::int64_t> oldest_dead_letters(unit& u, bot_id bot, std::size_t limit) {
  std::vector<std::int64_t> result;
  for (auto& [id] : u.rows<std::tuple<std::int64_t>>(
         "SELECT id FROM dead_letters WHERE bot = :bot ORDER BY id LIMIT :limit", bot, limit))
    result.push_back(id);
  return result;
}

std::vector<std::pair<bot_id, std::int64_t>> count_dead_letters(unit& u, bot_id after,
                                                                std::size_t limit) {
  std::vector<std::pair<bot_id, std::int64_t>> result;
  for (auto& [bot, count] : u.rows<std::tuple<bot_id, std::int64_t>>(
         "SELECT bot, COUNT(*) FROM dead_letters WHERE bot > :after GROUP BY bot "
         "ORDER BY bot LIMIT :limit",
         after, limit))
    result.emplace_back(bot, count);
  return result;
}

std::vector<std::pair<bot_id, std::int64_t>>
count_dead_letters(unit& u, bot_id after, std::size_t limit, const shard_set& of) {
  std::vector<std::pair<bot_id, std::int64_t>> result;
  for (auto& [bot, count] : u.rows<std::tuple<bot_id, std::int64_t>>(
         "SELECT d.bot, COUNT(*) FROM dead_letters d JOIN bot_shards s ON s.bot = d.bot "
         "WHERE d.bot > :after AND " TROUPE_IN_SHARDS("s.shard") " GROUP BY d.bot "
                                                                 "ORDER BY d.bot LIMIT :limit",
         after, of.text(), limit))
    result.emplace_back(bot, count);
  return result;
}

std::size_t trim_dead_letters(unit& u, bot_id bot, std::size_t keep) {
  return u.execute("DELETE FROM dead_letters WHERE bot = :bot AND id <= "
                   "(SELECT id FROM dead_letters WHERE bot = :same ORDER BY id DESC "
                   "LIMIT 1 OFFSET :keep)",
                   bot, bot, keep);
}

replay replay_dead_letter(unit& u, bot_id bot, std::int64_t id, std::int64_t seq,
                          const std::function<std::int64_t(std::string_view)>& expires) {
  static const auto find =
    "SELECT " + std::string{letter_columns} + " FROM dead_letters WHERE bot = :bot AND id = :id";
  auto letter = u.row<dead_letter>(find, bot, id);
  if (!letter)
    return {};
  u.execute("DELETE FROM dead_letters WHERE id = :id", id);
  auto& x = letter->update;
  auto hash = content_hash(x.body);
  // It may have come again after it was forgotten.
  auto waits =
    u.value<std::int64_t>("SELECT u.seq FROM update_marks m JOIN updates u ON u.seq = m.seq "
                          "WHERE m.bot = :bot AND m.update_id = :update AND m.hash = :hash",
                          bot, x.update_id, hash);
  if (waits)
    return {std::nullopt, true};
  u.execute("INSERT INTO update_marks (bot, update_id, hash, seq) "
            "VALUES (:bot, :update, :hash, :seq) "
            "ON CONFLICT (bot, update_id, hash) DO UPDATE SET seq = excluded.seq",
            bot, x.update_id, hash, seq);
  pending_update result{seq, bot, x.update_id, x.urgent, x.received, expires(x.kind)};
  std::vector<borrowed> row;
  add(row, seq, bot, x.update_id, x.kind, x.own_key, x.key_id, x.urgent, x.received, result.expires,
      x.body);
  into_updates().run(u, row);
  return {result, true};
}

/// Takes a bot's fresh marks out of their rows. @returns the numbers of its updates in them
static std::vector<std::int64_t> take_fresh_marks(unit& u, bot_id bot) {
  std::vector<std::int64_t> result;
  std::vector<update_mark> marks;
  for (auto& [seq, packed] : u.rows<packed_marks>("SELECT seq, marks FROM fresh_marks")) {
    marks.clear();
    unpack(packed, marks);
    auto before = result.size();
    std::string others;
    for (auto& x : marks)
      if (x.bot == bot)
        result.push_back(x.seq);
      else
        pack(others, x);
    if (result.size() == before)
      continue;
    if (others.empty())
      u.execute("DELETE FROM fresh_marks WHERE seq = :seq", seq);
    else
      u.execute("UPDATE fresh_marks SET marks = :marks WHERE seq = :seq", others, seq);
  }
  return result;
}

void forget_updates(unit& u, bot_id bot) {
  // No index leads to fresh marks: they are few, and this is seldom.
  auto fresh = take_fresh_marks(u, bot);
  end_updates(u, fresh);
  u.execute("DELETE FROM updates WHERE seq IN (SELECT seq FROM update_marks WHERE bot = :bot)",
            bot);
  u.execute("DELETE FROM update_marks WHERE bot = :bot", bot);
  u.execute("DELETE FROM dead_letters WHERE bot = :bot", bot);
  u.execute("DELETE FROM update_box WHERE bot = :bot", bot);
}

} // namespace troupe::store

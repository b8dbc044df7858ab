#define CAF_SUITE updates
#include "runtime/store/update_box.hpp"
#include "runtime/store/updates.hpp"

#include "runtime/store/bots.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::updates_suite {

namespace {

using seqs = std::vector<std::int64_t>;

/// `count` updates with numbers and ids from `first` on, of two bots in turns.
std::vector<new_update> some(std::int64_t first, std::int64_t count, bool surely_new) {
  static const std::string body = "{\"update_id\":1}";
  std::vector<new_update> result;
  for (auto i = first; i < first + count; ++i)
    result.push_back({i, 1 + i % 2, i, i * 7, "message", false, -100 - i, i % 10 == 0, 1000 + i,
                      2000 + i, body, surely_new});
  return result;
}

seqs numbers(const std::vector<pending_update>& from) {
  seqs result;
  for (auto& one : from)
    result.push_back(one.seq);
  return result;
}

} // namespace

SCENARIO("what was stored is there as it was, many at once or one by one") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto stored = db.write([](unit& u) { return append_updates(u, some(1, 75, true)); });
    CHECK_EQ(stored, std::vector<bool>(75, true));
    stored = db.write([](unit& u) { return append_updates(u, some(76, 5, false)); });
    CHECK_EQ(stored, std::vector<bool>(5, true));
    db.read([](unit& u) {
      auto all = load_pending(u, 0, 1000);
      REQUIRE_EQ(all.size(), 80u);
      for (std::size_t i = 0; i < all.size(); ++i) {
        auto n = static_cast<std::int64_t>(i) + 1;
        CHECK_EQ(all[i].seq, n);
        CHECK_EQ(all[i].bot, 1 + n % 2);
        CHECK_EQ(all[i].update_id, n);
        CHECK_EQ(all[i].urgent, n % 10 == 0);
        CHECK_EQ(all[i].received, 1000 + n);
        CHECK_EQ(all[i].expires, 2000 + n);
      }
      CHECK_EQ(numbers(load_pending(u, 77, 2)), (seqs{78, 79}));
      CHECK_EQ(pending_of(u, 1).size(), 40u);
      CHECK_EQ(numbers(pending_of(u, 2)).front(), 1);
      auto one = read_updates(u, seqs{80, 4711}).at(0);
      CHECK_EQ(one.kind, "message");
      CHECK_EQ(one.key_id, -180);
      CHECK_EQ(one.body, "{\"update_id\":1}");
      CHECK_EQ(highest_update_id(u, 1).value(), 80);
      CHECK(!highest_update_id(u, 3));
    });
  });
}

SCENARIO("of large updates no more are read than asked for, of small ones all") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto large = some(1, 40, true);
    const std::string body(1000, 'x');
    for (auto& x : large)
      x.body = body;
    auto box = large;
    for (auto& x : box)
      x.bot = 1;
    db.write([&](unit& u) {
      (void)append_updates(u, large);
      (void)append_updates(u, some(101, 200, true));
      (void)put_in_box(u, box, 1000);
    });
    db.read([](unit& u) {
      seqs all;
      for (std::int64_t i = 1; i <= 40; ++i)
        all.push_back(i);
      std::size_t read = 0;
      CHECK_EQ(read_updates(u, all, 1'000'000, read).size(), 40u);
      CHECK_EQ(read, 40u);
      for (auto most : {0u, 1000u, 7000u, 9000u}) {
        auto rows = read_updates(u, all, most, read);
        CHECK_EQ(rows.size(), read);
        CHECK(read > 0 && read * 1000 <= most + few_updates * 1000);
        for (auto& x : rows)
          CHECK(x.seq <= static_cast<std::int64_t>(read)); // The first.
      }
      seqs small;
      for (std::int64_t i = 101; i <= 300; ++i)
        small.push_back(i);
      CHECK_EQ(read_updates(u, small, 1'000'000, read).size(), 200u);
      for (auto [most, limit] : {std::pair{1000u, 40u}, std::pair{1'000'000u, 21u}}) {
        auto rows = look_in_box(u, 1, limit, most);
        CHECK(rows.size() * 1000 <= most + few_updates * 1000 && rows.size() <= limit);
        for (std::size_t i = 0; i < rows.size(); ++i)
          CHECK_EQ(rows[i].update_id, static_cast<std::int64_t>(i) + 1);
      }
      CHECK_EQ(look_in_box(u, 1, 40, 1'000'000).size(), 40u);
    });
  });
}

SCENARIO("a body may be empty, and one that is no text spoils its unit, not the connection") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto two = some(1, 2, true);
    two[0].body = "";
    two[1].body = "\xc3\xa9\"";
    db.write([&](unit& u) { (void)append_updates(u, two); });
    for (std::string_view wrong : {std::string_view{"\xff"}, std::string_view{"a\0b", 3}}) {
      auto three = some(3, 2, true);
      three[1].body = wrong;
      auto error = failure_of([&] {
        db.write([&](unit& u) {
          CHECK(failure_of([&] { (void)append_updates(u, three); }).has_value());
          (void)append_updates(u, some(5, 1, true)); // What went wrong is not passed over.
        });
      });
      REQUIRE(error.has_value());
      CHECK(error->kind() == fault::constraint);
    }
    // One that is there, by its number.
    CHECK(fault_of([&] { db.write([](unit& u) { (void)append_updates(u, some(2, 1, true)); }); })
          == fault::constraint);
    db.write([](unit& u) { (void)append_updates(u, some(3, 1, true)); });
    db.read([](unit& u) {
      CHECK_EQ(numbers(load_pending(u, 0, 10)), (seqs{1, 2, 3}));
      CHECK_EQ(read_updates(u, seqs{1}).at(0).body, "");
      CHECK_EQ(read_updates(u, seqs{2}).at(0).body, "\xc3\xa9\"");
    });
  });
}

SCENARIO("fresh marks are known of once they are merged, and go with their bot in any case") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto fresh = some(1, 40, true);
    for (auto& x : fresh)
      x.merged_later = true;
    db.write([&](unit& u) {
      for (std::size_t i = 0; i < 40; i += 10)
        CHECK_EQ(append_updates(u, std::span{fresh}.subspan(i, 10)), std::vector<bool>(10, true));
      CHECK(!highest_update_id(u, 1));
      CHECK(pending_of(u, 1).empty());
      CHECK_EQ(load_pending(u, 0, 100).size(), 40u);
    });
    // Of one bot; some of them twice.
    std::vector<update_mark> marks;
    for (auto& x : fresh)
      if (x.bot == 1)
        marks.push_back({x.bot, x.update_id, x.hash, x.seq});
    for (int round = 0; round < 2; ++round)
      db.write([&](unit& u) { merge_marks(u, marks); });
    db.write([&](unit& u) {
      CHECK_EQ(pending_of(u, 1).size(), 20u);
      CHECK_EQ(highest_update_id(u, 1).value(), 40);
      CHECK_EQ(seq_of_update(u, 1, 2).value(), 2);
      CHECK(!seq_of_update(u, 2, 1));
      auto again = some(1, 40, false);
      std::erase_if(again, [](auto& x) { return x.bot != 1; });
      for (auto& x : again)
        x.seq += 100;
      CHECK_EQ(append_updates(u, again), std::vector<bool>(20, false));
      drop_merged_marks(u, 11);
      CHECK_EQ(u.value<int>("SELECT COUNT(*) FROM fresh_marks").value(), 3);
    });
    db.write([&](unit& u) { forget_updates(u, 2); });
    db.write([&](unit& u) {
      // Those that were merged, and five whose marks were thrown away too early.
      CHECK_EQ(load_pending(u, 0, 100).size(), 25u);
      merge_all_marks(u);
      CHECK_EQ(u.value<int>("SELECT COUNT(*) FROM fresh_marks").value(), 0);
      CHECK_EQ(u.value<int>("SELECT COUNT(*) FROM update_marks").value(), 20);
    });
  });
}

SCENARIO("the same id and hash are stored once, within a unit and after the update has ended") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto append = [&](const std::vector<new_update>& what) {
      return db.write([&](unit& u) { return append_updates(u, what); });
    };
    (void)append(some(1, 10, true));
    auto again = some(1, 12, false);
    for (auto& one : again)
      one.seq += 100;
    auto stored = append(again);
    CHECK_EQ(std::count(stored.begin(), stored.end(), true), 2);
    CHECK(stored[10] && stored[11]);
    db.write([](unit& u) {
      seqs all{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 111, 112};
      end_updates(u, all);
      CHECK(load_pending(u, 0, 100).empty());
    });
    for (auto& one : again)
      one.seq += 100;
    stored = append(again);
    CHECK_EQ(std::count(stored.begin(), stored.end(), true), 0);
    again[0].hash = -1; // Another content.
    CHECK(append({again[0]}).at(0));
    // Whoever says that it is new must be right.
    again[1].surely_new = true;
    CHECK(fault_of([&] { append({again[1]}); }) == fault::constraint);
  });
}

SCENARIO("runs and single numbers end, and nothing else") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) { (void)append_updates(u, some(1, 20, true)); });
    db.write([](unit& u) {
      seqs which{7, 3, 4, 5, 5, 12, 20, 19, 900};
      end_updates(u, which);
      CHECK_EQ(numbers(load_pending(u, 0, 100)),
               (seqs{1, 2, 6, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18}));
    });
    // So many single ones that they go together.
    for (std::int64_t count : {8, 9, 99, 100, 101, 250})
      db.write([count](unit& u) {
        auto begin = count * 1000;
        (void)append_updates(u, some(begin, 2 * count, true));
        seqs which, rest;
        for (std::int64_t i = 0; i < count; ++i) {
          which.push_back(begin + 2 * i);
          rest.push_back(begin + 2 * i + 1);
        }
        end_updates(u, which);
        CHECK_EQ(numbers(load_pending(u, begin - 1, 1000)), rest);
      });
  });
}

SCENARIO("a bot's newest marks stay, and those of what waits") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      (void)append_updates(u, some(1, 100, true)); // 50 of each bot.
      seqs ended;
      for (std::int64_t i = 2; i <= 100; ++i)
        ended.push_back(i);
      end_updates(u, ended);
      truncate_marks(u, 2, 10); // The odd ones.
      CHECK_EQ(u.value<int>("SELECT COUNT(*) FROM update_marks WHERE bot = 2").value(), 11);
      CHECK_EQ(u.value<int>("SELECT COUNT(*) FROM update_marks WHERE bot = 1").value(), 50);
      CHECK_EQ(numbers(pending_of(u, 2)), seqs{1});
      CHECK_EQ(last_update_id(u, 2).value(), 99);
      truncate_marks(u, 2, 1000);
      CHECK_EQ(u.value<int>("SELECT COUNT(*) FROM update_marks WHERE bot = 2").value(), 11);
    });
  });
}

SCENARIO("numbers are given once, whatever becomes of the rows") {
  on_both([](test_store& store) {
    auto db = store.open();
    auto first = db.write([](unit& u) { return reserve_numbers(u, 10); });
    CHECK_EQ(db.write([](unit& u) { return reserve_numbers(u, 5); }), first + 10);
    auto other = store.connect();
    CHECK_EQ(other.write([](unit& u) { return reserve_numbers(u, 1); }), first + 15);
  });
}

SCENARIO("a bot that is removed takes its updates along, and no other's") {
  on_both([](test_store& store) {
    auto db = store.open();
    db.write([](unit& u) {
      for (bot_id id : {1, 2})
        (void)add_bot(u, sample_bot(id), sample_token(id));
      (void)append_updates(u, some(1, 10, true));
      CHECK(bury_update(u, 1, 50, 5, 1, "no"));
      CHECK(bury_update(u, 2, 51, 5, 1, "no"));
      CHECK(!bury_update(u, 2, 52, 5, 1, "no"));
    });
    CHECK(!db.write([](unit& u) { return remove_bot(u, 7, 2); }));
    CHECK_EQ(db.read([](unit& u) { return pending_of(u, 2).size(); }), 4u);
    CHECK(db.write([](unit& u) { return remove_bot(u, 1, 2); }));
    db.read([](unit& u) {
      CHECK_EQ(load_pending(u, 0, 100).size(), 4u);
      CHECK_EQ(count_dead_letters(u, 0, 10),
               (std::vector<std::pair<bot_id, std::int64_t>>{{1, 1}}));
      CHECK(!highest_update_id(u, 2));
    });
  });
}

SCENARIO("a body's hash is SipHash-2-4 and tells bodies apart") {
  // The reference value of the empty text under the key 0, as the published implementation gives
  // it.
  CHECK_EQ(static_cast<std::uint64_t>(content_hash("")), 0x1e924b9d737700d7u);
  std::set<std::int64_t> seen;
  std::string text;
  for (int i = 0; i < 300; ++i, text += '\0')
    CHECK(seen.insert(content_hash(text)).second);
}

SCENARIO("texts are told from other bytes wherever these are") {
  for (std::size_t length = 1; length < 40; ++length)
    for (std::size_t at = 0; at < length; ++at) {
      std::string text(length, 'a');
      CHECK(is_text(text));
      text[at] = '\0';
      CHECK(!is_text(text));
      text[at] = '\xff';
      CHECK(!is_text(text));
      text[at] = '\x7f';
      CHECK(is_text(text));
      text.replace(at, 1, "\xc3\xa4");
      CHECK(is_text(text));
      text[at + 1] = 'a';
      CHECK(!is_text(text));
    }
}

} // namespace troupe::store::updates_suite

#define CAF_SUITE journal_property
#include "tests/journal/fixture.hpp"

#include <random>

namespace troupe::property_suite {

using namespace troupe::journal_tests;

namespace {

/// What is known of one update of one bot; of one that is replayed, since then.
struct known {
  std::size_t sent = 0;         ///< When it was appended first, or replayed.
  std::size_t acknowledged = 0; ///< When that was answered first; 0: never.
  std::int64_t seq = 0;         ///< As seen last.
  bool end_sent = false;
  bool ended = false;      ///< Answered.
  bool dead = false;       ///< How it was to end.
  bool delivered = false;  ///< The same: both are possible, if the first was not answered.
  std::size_t replays = 0; ///< It was a dead letter when the last one was sent.
};

using key = std::pair<bot_id, std::int64_t>;

/// An update as it was when something was asked about it.
struct past {
  key of;
  std::size_t replays = 0;
};

/// Random requests, faults and kills; what must hold whatever happens is checked on the way and at
/// the end.
struct history {
  history(fixture& f, std::uint32_t seed) : f(f), dice(seed) {}

  std::size_t roll(std::size_t sides) { return dice() % sides; }

  void step() {
    ++time;
    switch (roll(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return append();
    case 4:
    case 5:
      return end_some();
    case 6:
      return confirm();
    case 7:
      f.sql->hold = true;
      return;
    case 8:
    case 9:
      f.sql->hold = false;
      f.sql->release();
      f.sched.run();
      return;
    case 10:
      f.sql->faults.push_back(roll(2) == 0 ? store_refusal::unavailable : store_refusal::disk_full);
      return;
    case 11:
    case 12:
      return replay();
    default:
      return disturb();
    }
  }

  void disturb() {
    switch (roll(4)) {
    case 0:
      return f.restart();
    case 1:
      f.sql->unknown = roll(2) == 0 ? inline_sql_unknown::stored : inline_sql_unknown::lost;
      return;
    default:
      return f.pass(1s);
    }
  }

  void append() {
    auto bot = static_cast<bot_id>(1 + roll(3));
    update_append x{bot, {}};
    std::vector<key> which;
    for (auto n = 1 + roll(4); n > 0; --n) {
      // Mostly new ones; some again; some below all others.
      auto fresh = roll(4) != 0 || next == 0;
      auto id = fresh ? static_cast<std::int64_t>(++next * (roll(10) == 0 ? -1 : 1))
                      : static_cast<std::int64_t>(1 + roll(next));
      x.updates.push_back(update_of(id, id % 5 == 0 ? "callback_query" : "message"));
      which.emplace_back(bot, id);
      all.emplace(which.back(), known{time});
    }
    auto answer = f.post<append_result>(std::move(x));
    appends.emplace_back(answer, which);
    look();
  }

  std::vector<stored_update> fetch(bot_id bot) {
    update_fetch x;
    x.bot = bot;
    x.limit = 1000;
    auto answer = f.post<update_page>(x);
    if (!answer->answer)
      return {};
    for (auto& one : answer->answer->updates) {
      auto found = all.find({bot, one.id});
      REQUIRE(found != all.end());
      CHECK(!found->second.ended);
      CHECK(found->second.seq == 0 || found->second.seq == one.seq);
      found->second.seq = one.seq;
      auto [number, added] = numbers.emplace(one.seq, found->first);
      CHECK(number->second == found->first);
    }
    return answer->answer->updates;
  }

  void end_some() {
    auto bot = static_cast<bot_id>(1 + roll(3));
    std::vector<update_end> ends;
    std::vector<past> which;
    for (auto& one : fetch(bot))
      if (roll(2) == 0) {
        auto how = roll(4) == 0 ? update_verdict::dead : update_verdict::delivered;
        auto& about = all[{bot, one.id}];
        about.end_sent = true;
        (how == update_verdict::dead ? about.dead : about.delivered) = true;
        ends.push_back({one.seq, how, 1, "no"});
        which.push_back({{bot, one.id}, about.replays});
      }
    if (!ends.empty())
      endings.emplace_back(f.post_ends(bot, std::move(ends)), which);
    look();
  }

  void confirm() {
    auto bot = static_cast<bot_id>(1 + roll(3));
    update_confirm x{bot, 0, 0, false, {}};
    std::vector<past> which;
    for (auto& one : fetch(bot))
      if (roll(3) == 0) {
        x.seqs.push_back(one.seq);
        auto& about = all[{bot, one.id}];
        about.end_sent = about.delivered = true;
        which.push_back({{bot, one.id}, about.replays});
      }
    if (!x.seqs.empty())
      confirms.emplace_back(f.post<confirm_result>(x), which);
    look();
  }

  /// All of a bot's dead letters, or some of them, wait again: while others come and end.
  void replay() {
    auto bot = static_cast<bot_id>(1 + roll(3));
    auto letters = f.post<dead_letter_page>(dead_letter_query{bot, 0, 1000});
    look();
    auto same = [bot](const auto& one) { return one.second.front().of.first == bot; };
    if (!letters->answer || std::ranges::any_of(replays, same)) // What is listed may be on its way.
      return;
    dead_letter_replay x;
    x.bot = bot;
    auto some = roll(2) == 0;
    std::vector<past> which;
    for (auto& one : letters->answer->rows) {
      if (some && roll(2) == 0)
        continue;
      if (some)
        x.ids.push_back(one.id);
      auto& about = all[{bot, one.update_id}];
      about = known{time, 0, 0, false, false, false, false, about.replays + 1};
      which.push_back({{bot, one.update_id}, about.replays});
    }
    if (which.empty())
      return;
    replays.emplace_back(f.post<replay_result>(std::move(x)), which);
    look();
  }

  /// Takes in what was answered.
  void look() {
    std::erase_if(appends, [&](auto& one) {
      if (one.first->answer)
        for (auto& which : one.second)
          if (auto& about = all[which]; about.acknowledged == 0 && about.replays == 0)
            about.acknowledged = time;
      return one.first->over();
    });
    std::erase_if(replays, [&](auto& one) {
      if (one.first->answer) {
        CHECK_EQ(one.first->answer->replayed, one.second.size());
        CHECK(one.first->answer->missing.empty());
        for (auto& which : one.second)
          if (auto& about = all[which.of]; about.replays == which.replays)
            about.acknowledged = time;
      }
      return one.first->over();
    });
    std::erase_if(endings, [&](auto& one) {
      if (*one.first)
        end(one.second);
      return *one.first;
    });
    std::erase_if(confirms, [&](auto& one) {
      if (one.first->answer)
        end(one.second);
      return one.first->over();
    });
  }

  /// What was replayed since waits anew.
  void end(const std::vector<past>& what) {
    for (auto& which : what)
      if (auto& about = all[which.of]; about.replays == which.replays)
        about.ended = true;
  }

  void finish() {
    f.sql->faults.clear();
    f.sql->unknown = inline_sql_unknown::none;
    f.sql->hold = false;
    f.sql->release();
    f.sched.run();
    for (int i = 0; i < 3; ++i)
      f.pass(2s);
    look();
    f.restart();
    for (bot_id bot = 1; bot <= 3; ++bot) {
      std::map<std::int64_t, int> there, dead;
      std::vector<std::pair<std::int64_t, known>> order;
      for (auto& one : fetch(bot)) {
        ++there[one.id];
        order.emplace_back(one.seq, all[{bot, one.id}]);
      }
      dead_letter_query x{bot, 0, 1000};
      for (auto& one : f.get<dead_letter_page>(x).rows)
        ++dead[one.update_id];
      CHECK_EQ(f.pending(bot).pending, there.size());
      CHECK_EQ(f.pending(bot).dead, dead.size());
      for (auto& [which, about] : all)
        if (which.first == bot)
          check(which.second, about, there[which.second], dead[which.second]);
      // What was acknowledged before another was sent is before it.
      std::ranges::sort(order, {}, [](auto& one) { return one.first; });
      for (std::size_t i = 0; i < order.size(); ++i)
        for (auto j = i + 1; j < order.size(); ++j)
          CHECK(order[j].second.acknowledged == 0
                || order[j].second.acknowledged >= order[i].second.sent);
    }
  }

  /// Exactly one of: waits, delivered, a dead letter.
  void check(std::int64_t id, const known& about, int there, int dead) {
    CAF_MESSAGE("update " << id);
    CHECK(there + dead <= 1);
    if (about.ended)
      CHECK_EQ(there, 0);
    if (!about.end_sent && (about.replays == 0 || about.acknowledged != 0))
      CHECK_EQ(dead, 0);
    if (about.acknowledged != 0 && !about.end_sent)
      CHECK_EQ(there, 1);
    if (about.ended && !about.dead)
      CHECK_EQ(dead, 0);
    if (about.ended && !about.delivered)
      CHECK_EQ(dead, 1);
    if (about.replays > 0 && !about.delivered)
      CHECK_EQ(there + dead, 1);
  }

  fixture& f;
  std::mt19937 dice;
  std::size_t time = 0;
  std::size_t next = 0;
  std::map<key, known> all;
  std::map<std::int64_t, key> numbers;
  std::vector<std::pair<std::shared_ptr<asked<append_result>>, std::vector<key>>> appends;
  std::vector<std::pair<std::shared_ptr<bool>, std::vector<past>>> endings;
  std::vector<std::pair<std::shared_ptr<asked<confirm_result>>, std::vector<past>>> confirms;
  std::vector<std::pair<std::shared_ptr<asked<replay_result>>, std::vector<past>>> replays;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO(
  "whatever fails and dies, each acknowledged update waits, or has ended, or is dead: once") {
  for (auto kind : {store::backend::sqlite, store::backend::postgresql})
    for (std::uint32_t seed = 1; seed <= (kind == store::backend::sqlite ? 25u : 5u); ++seed) {
      CAF_MESSAGE("seed " << seed);
      store::test_store on{kind};
      config.max_entries = seed % 2 == 0 ? 20 : 500'000;
      config.cache_bytes = seed % 3 == 0 ? 2000 : 64u << 20;
      config.group_updates = seed % 5 == 0 ? 3 : 2000;
      config.group_letters = seed % 4 == 0 ? 2 : 100;
      start(on);
      history h{*this, seed};
      for (int i = 0; i < 150; ++i)
        h.step();
      h.finish();
      stop();
    }
}

END_FIXTURE_SCOPE()

} // namespace troupe::property_suite

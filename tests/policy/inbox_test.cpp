#define CAF_SUITE policy_inbox
#include "runtime/policy/inbox.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace troupe::inbox_suite {

using namespace std::literals;

namespace {

constexpr auto begin_of_time = time_point{1h};
constexpr double middle = 0.5;

inbox::item make(std::int64_t seq, std::int64_t chat, bool urgent = false,
                 time_point expires = time_point::max()) {
  // Kinds keep urgent ones and others in keys of their own.
  return {seq, {static_cast<std::uint8_t>(urgent), chat}, urgent, expires, 100};
}

std::vector<std::int64_t> start_all(inbox::window& w, time_point now, std::size_t places = 1000) {
  std::vector<std::int64_t> result;
  while (w.running() < places) {
    auto next = w.next(now);
    if (!next)
      break;
    result.push_back(next->seq);
  }
  return result;
}

/// The same rules over a plain list, scanned every time.
struct model {
  struct update {
    inbox::item what;
    bool running = false;
    std::uint32_t failures = 0;
    std::uint32_t counted = 0;
  };
  inbox::limits limits;
  std::vector<update> all;
  std::map<std::pair<int, std::int64_t>, time_point> pauses; // By key, of its first update.
  std::set<std::pair<int, std::int64_t>> failed; // Keys, since the last success.
  time_point held{}, shut{};
  bool down = false;
  std::int64_t probe = 0;
  std::uint32_t rounds = 0;

  static std::pair<int, std::int64_t> key(const inbox::item& x) { return {x.of.kind, x.of.id}; }

  update* find(std::int64_t seq) {
    for (auto& x : all)
      if (x.what.seq == seq)
        return &x;
    return nullptr;
  }

  std::optional<std::int64_t> next(time_point now) {
    if (now < held || (down && (now < shut || probe != 0)))
      return std::nullopt;
    const update* best = nullptr;
    for (const auto& x : all) {
      bool first = std::none_of(all.begin(), all.end(), [&](const update& y) {
        return key(y.what) == key(x.what) && (y.running || (y.what.seq < x.what.seq && y.what.expires > now));
      });
      auto pause = pauses.find(key(x.what));
      if (!first || x.running || x.what.expires <= now || (pause != pauses.end() && pause->second > now))
        continue;
      if (!best || std::pair{!x.what.urgent, x.what.seq} < std::pair{!best->what.urgent, best->what.seq})
        best = &x;
    }
    if (!best)
      return std::nullopt;
    find(best->what.seq)->running = true;
    if (down)
      probe = best->what.seq;
    return best->what.seq;
  }

  void erase(std::int64_t seq) {
    std::erase_if(all, [seq](const update& x) { return x.what.seq == seq; });
    auto vanished = [this](const auto& k) {
      return std::none_of(all.begin(), all.end(),
                          [&](const update& x) { return key(x.what) == k; });
    };
    std::erase_if(pauses, [&](const auto& p) { return vanished(p.first); });
  }

  void note(std::int64_t seq, time_point now, double random) {
    failed.insert(key(find(seq)->what));
    if (down ? probe == seq : failed.size() >= limits.down_after) {
      down = true;
      probe = 0;
      shut = now + limits.pause.delay(++rounds, random);
    }
  }
};

} // namespace

SCENARIO("updates of one key go one after the other, those of others beside them") {
  inbox::window w;
  for (auto [seq, chat] : {std::pair{1, 7}, {2, 7}, {3, 8}, {4, 7}})
    w.add(make(seq, chat));
  CHECK_EQ(start_all(w, begin_of_time), (std::vector<std::int64_t>{1, 3}));
  w.delivered(1);
  CHECK_EQ(start_all(w, begin_of_time), (std::vector<std::int64_t>{2}));
  w.delivered(3);
  CHECK_EQ(start_all(w, begin_of_time), (std::vector<std::int64_t>{}));
  w.delivered(2);
  CHECK_EQ(start_all(w, begin_of_time), (std::vector<std::int64_t>{4}));
}

SCENARIO("urgent updates go first, and none is handed over after its lifetime") {
  inbox::window w;
  w.add(make(1, 7));
  w.add(make(5, 9, true, begin_of_time + 30s));
  w.add(make(6, 9, true, begin_of_time + 40s));
  CHECK_EQ(start_all(w, begin_of_time, 1), (std::vector<std::int64_t>{5}));
  CHECK_EQ(w.next_due(begin_of_time), begin_of_time); // Chat 7.
  CHECK(!w.take_expired(begin_of_time + 31s));           // It is under way.
  CHECK_EQ(w.take_expired(begin_of_time + 41s).value_or(inbox::start{}).seq, 6);
  w.failed(5, begin_of_time + 41s, middle, true);
  auto tried = w.take_expired(begin_of_time + 41s);
  REQUIRE(tried.has_value());
  CHECK_EQ(tried->seq, 5);
  CHECK_EQ(tried->attempt, 1u);
  CHECK_EQ(start_all(w, begin_of_time + 41s), (std::vector<std::int64_t>{1}));
}

SCENARIO("an update that fails is tried again at once, then after growing pauses; others go on") {
  inbox::window w;
  w.add(make(1, 7));
  w.add(make(2, 7));
  auto now = begin_of_time;
  auto pause_after = [&] {
    w.failed(1, now, middle, true);
    auto due = w.next_due(now);
    CHECK(!w.next(due - 1ns) || due == now);
    auto waited = due - now;
    now = due;
    return waited;
  };
  CHECK_EQ(w.next(now)->attempt, 1u);
  CHECK_EQ(pause_after(), 0s);
  CHECK_EQ(w.next(now)->attempt, 2u);
  auto longest = duration{0};
  for (std::uint32_t n = 3; n < 20; ++n) {
    auto waited = pause_after();
    CHECK(waited >= longest);
    CHECK(waited <= 120s);
    longest = waited;
    auto next = w.next(now);
    REQUIRE(next.has_value());
    CHECK_EQ(next->seq, 1);
    CHECK_EQ(next->attempt, n);
    w.add(make(100 + n, 50 + n)); // Another chat, meanwhile.
    CHECK_EQ(start_all(w, now), (std::vector<std::int64_t>{100 + n}));
    w.delivered(100 + n);
  }
  CHECK(longest >= 60s);
  CHECK_EQ(w.attempts(1), 18u);
  w.dead(1, now, middle);
  CHECK_EQ(start_all(w, now), (std::vector<std::int64_t>{2}));
}

SCENARIO("a receiver that is down is tried by one update at a time, with growing pauses") {
  inbox::window w;
  for (std::int64_t i = 1; i <= 100; ++i)
    w.add(make(i, i));
  auto now = begin_of_time;
  for (auto seq : start_all(w, now, 40))
    w.failed(seq, now, middle, false);
  CHECK(w.down());
  auto tries = 0;
  auto end = now + 1h;
  while (true) {
    now = std::max(now, w.next_due(now));
    if (now > end)
      break;
    auto started = start_all(w, now, 40);
    REQUIRE(started.size() == 1);
    ++tries;
    w.failed(started[0], now, middle, false);
  }
  CHECK(tries <= 60); // A minute and a half each, once the pauses have grown.
  CHECK(tries >= 30);
  auto probe = start_all(w, now, 40);
  w.delivered(probe.at(0));
  CHECK(!w.down());
  CHECK(start_all(w, now + 120s, 40).size() == 40);
}

SCENARIO("one bad update does not make the receiver be taken for down") {
  inbox::window w;
  w.add(make(1, 7));
  auto now = begin_of_time;
  for (int i = 0; i < 10; ++i) {
    now = w.next_due(now);
    CHECK_EQ(start_all(w, now), (std::vector<std::int64_t>{1}));
    w.failed(1, now, middle, true);
  }
  CHECK(!w.down());
  w.add(make(2, 8));
  CHECK_EQ(start_all(w, now), (std::vector<std::int64_t>{2}));
}

SCENARIO("chats whose updates die one after the other are as many as they are") {
  inbox::window w;
  for (std::int64_t seq = 1; seq <= 20; ++seq) {
    w.add(make(seq, seq % 2)); // Each chat is empty in between.
    auto started = start_all(w, begin_of_time);
    REQUIRE_EQ(started, (std::vector<std::int64_t>{seq}));
    w.dead(seq, begin_of_time, middle);
  }
  CHECK(!w.down());
}

SCENARIO("what holds all back ends by time, or by release") {
  inbox::window w;
  w.add(make(1, 7));
  w.hold(begin_of_time + 10s);
  w.hold(begin_of_time + 5s);
  CHECK_EQ(w.next_due(begin_of_time), begin_of_time + 10s);
  CHECK(!w.next(begin_of_time + 9s));
  w.release();
  CHECK(w.next(begin_of_time).has_value());
}

SCENARIO("the window says how much more may be fetched, and from where") {
  inbox::window w{{.max_items = 10, .max_bytes = 10'000}};
  for (std::int64_t i = 1; i <= 10; ++i)
    w.add(make(i, i, i % 2 == 0));
  CHECK_EQ(w.room().items, 0u);
  CHECK_EQ(w.after_urgent(), 10);
  CHECK_EQ(w.after(), 9);
  CHECK(!w.add(make(3, 3)));
  CHECK_EQ(w.size(), 10u);
  auto started = start_all(w, begin_of_time, 5);
  for (auto seq : started)
    w.delivered(seq);
  CHECK_EQ(w.room().items, 5u);
  CHECK_EQ(w.room().bytes, 9'500u);
  start_all(w, begin_of_time, 1);
  w.forget_waiting();
  CHECK_EQ(w.size(), 1u);
  CHECK_EQ(w.after(), 0);
}

SCENARIO("a long queue behind a failing update leaves the other keys their room") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random{seed};
    inbox::window w{{.max_items = 20, .down_after = 1000}};
    std::map<std::int64_t, inbox::item> pending; // As the journal has it.
    for (std::int64_t seq = 1; seq <= 200; ++seq)
      pending[seq] = make(seq, random() % 2 == 0 ? 1 : static_cast<std::int64_t>(random() % 5), random() % 8 == 0);
    std::map<std::pair<int, std::int64_t>, std::int64_t> last;
    std::size_t others = 0;
    for (const auto& [seq, x] : pending)
      others += x.of.id != 1 ? 1 : 0;
    int failures = 0;
    bool bad = true; // Chat 1 fails until everything else is delivered.
    auto now = begin_of_time;
    for (int step = 0; step < 20'000 && !pending.empty(); ++step) {
      w.make_room(now);
      auto room = w.room().items;
      for (bool urgent : {true, false})
        for (const auto& [seq, x] : pending)
          if (x.urgent == urgent && seq > (urgent ? w.after_urgent() : w.after()) && room > 0) {
            w.add(x);
            --room;
          }
      auto next = w.next(now);
      if (!next) {
        auto due = w.next_due(now);
        now = due == time_point::max() || due <= now ? now + 1s : due;
        continue;
      }
      const auto& x = pending.at(next->seq);
      if (bad && x.of.id == 1) {
        ++failures;
        w.failed(next->seq, now, middle, true);
        continue;
      }
      CHECK(next->seq > last[model::key(x)]);
      last[model::key(x)] = next->seq;
      bad = bad && (x.of.id == 1 || --others > 0);
      pending.erase(next->seq);
      w.delivered(next->seq);
    }
    CHECK_EQ(pending.size(), 0u);
    CHECK(failures > 0);
    CHECK(!bad);
  }
}

SCENARIO("whatever happens, the window does what a plain list would") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random{seed};
    auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
    inbox::window w;
    model m;
    auto now = begin_of_time;
    std::int64_t seq = 0;
    for (int step = 0; step < 600; ++step) {
      auto what = below(10);
      std::vector<std::int64_t> running;
      for (const auto& x : m.all)
        if (x.running)
          running.push_back(x.what.seq);
      if (what < 3) {
        bool urgent = below(4) == 0;
        auto x = make(++seq, below(6), urgent, urgent ? now + 1s * below(200) : time_point::max());
        CHECK(w.add(x));
        m.all.push_back({x});
      } else if (what < 6) {
        auto got = w.next(now);
        auto wanted = m.next(now);
        REQUIRE_EQ(got.has_value(), wanted.has_value());
        if (got)
          CHECK_EQ(got->seq, *wanted);
      } else if (what < 9 && !running.empty()) {
        auto one = running[static_cast<std::size_t>(below(running.size()))];
        auto& x = *m.find(one);
        auto how = below(5);
        auto chance = static_cast<double>(below(100)) / 100;
        x.running = false;
        if (how < 2) {
          w.delivered(one);
          m.pauses.erase(model::key(x.what));
          m.erase(one);
          m.failed.clear();
          m.down = false;
          m.probe = 0;
          m.rounds = 0;
        } else if (how == 2) {
          w.dead(one, now, chance);
          m.note(one, now, chance);
          m.pauses.erase(model::key(x.what));
          m.erase(one);
        } else if (how == 3) {
          w.later(one, now + 1s);
          m.probe = m.probe == one ? 0 : m.probe;
          m.pauses[model::key(x.what)] = now + 1s;
        } else {
          w.failed(one, now, chance, true);
          m.note(one, now, chance);
          auto n = x.failures++;
          m.pauses[model::key(x.what)] = n == 0 ? now : now + m.limits.pause.delay(n, chance);
        }
      } else {
        auto due = w.next_due(now);
        // Nothing happens before that by time alone.
        if (due > now) {
          auto copy = m;
          CHECK(!copy.next(due == time_point::max() ? now + 240h : due - 1ns));
        }
        now += 1s * below(100);
        while (auto gone = w.take_expired(now)) {
          auto* x = m.find(gone->seq);
          REQUIRE(x != nullptr);
          CHECK(!x->running && x->what.expires <= now);
          if (x->failures > 0)
            m.pauses.erase(model::key(x->what));
          m.erase(gone->seq);
        }
        CHECK(std::none_of(m.all.begin(), m.all.end(), [now](const model::update& x) {
          return !x.running && x.what.expires <= now;
        }));
      }
      CHECK_EQ(w.size(), m.all.size());
      CHECK_EQ(w.down(), m.down);
    }
  }
}

} // namespace troupe::inbox_suite

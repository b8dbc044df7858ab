#define CAF_SUITE policy_pull
#include "runtime/policy/pull.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <random>
#include <set>

namespace troupe::pull_suite {

using namespace troupe::pull;
using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

using id_list = std::vector<std::int64_t>;

/// What a poll of `worker` gets of the pending ones.
id_list poll(sharing& s, std::int64_t worker, const std::vector<offer>& pending,
             std::size_t limit = 100) {
  id_list result;
  for (const auto& x : pending) {
    if (result.size() == limit || !s.wants(worker, x))
      continue;
    s.handed(worker, x);
    result.push_back(x.id);
  }
  return result;
}

std::vector<offer> from(std::int64_t first, std::int64_t last) {
  std::vector<offer> result;
  for (auto id = first; id <= last; ++id)
    result.push_back({id, {0, id % 10}, id});
  return result;
}

/// A client that polls with a virtual token as libraries do: the last update it saw, plus one.
struct client {
  std::int64_t worker = 0;
  std::int64_t offset = 0;
  bool polling = false;
  std::map<std::int64_t, std::int64_t> last_of_key; ///< Of this life.
};

/// A journal, its workers, and a network that loses answers.
struct world {
  explicit world(unsigned seed) : rng(seed) {
    for (std::int64_t i = 1; i <= 4; ++i)
      clients.push_back({i, 0, false, {}});
  }

  std::size_t pick(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(rng);
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(rng); }

  void arrive() {
    // Ids may restart lower; they are never given twice while one is known.
    if (chance(0.01))
      next_id = next_id > 100'000 ? 10 + static_cast<std::int64_t>(made.size()) : next_id + 200'000;
    while (made.contains(next_id))
      ++next_id;
    made.insert(next_id);
    pending[next_id] = {0, static_cast<std::int64_t>(pick(6))};
    ++next_id;
  }

  void take_poll(client& c) {
    for (const auto& x : clients) // Who was silent for too long has nothing any more.
      if (last_poll[x.worker] + 60s <= now)
        with[x.worker].clear();
    last_poll[c.worker] = now;
    s.expire(now);
    s.begin(c.worker, now);
    auto what = s.plan_of(c.worker, c.offset);
    for (auto id : what.seqs) {
      confirmed_unseen += seen.contains(id) ? 0 : 1;
      pending.erase(id);
    }
    s.forget(what.seqs);
    id_list batch;
    auto limit = 1 + pick(5);
    for (const auto& [id, of] : pending) {
      if (batch.size() < limit && s.wants(c.worker, {id, of, id})) {
        s.handed(c.worker, {id, of, id});
        batch.push_back(id);
      }
    }
    s.end(c.worker, now);
    if (chance(0.2)) { // The answer is lost.
      ++lost;
      return;
    }
    // The client may die in the middle.
    auto n = chance(0.1) ? pick(batch.size() + 1) : batch.size();
    for (std::size_t i = 0; i < n; ++i)
      process(c, batch[i]);
    if (n < batch.size()) {
      c.offset = 0;
      c.last_of_key.clear();
    }
  }

  void process(client& c, std::int64_t id) {
    auto of = pending.at(id).id;
    // Somebody else who lives has an update of this chat, not confirmed.
    for (auto& other : clients)
      for (auto x : with[other.worker])
        if (other.worker != c.worker && pending.contains(x) && pending.at(x).id == of)
          ++shared_keys;
    if (!seen.insert(id).second)
      ++repeated;
    with[c.worker].insert(id);
    c.offset = id + 1;
  }

  std::mt19937 rng;
  sharing s{60s};
  time_point now = start;
  std::int64_t next_id = 1000;
  std::map<std::int64_t, key> pending;
  std::set<std::int64_t> made, seen;
  std::map<std::int64_t, std::set<std::int64_t>> with;
  std::map<std::int64_t, time_point> last_poll;
  std::vector<client> clients;
  std::size_t confirmed_unseen = 0, repeated = 0, lost = 0, shared_keys = 0;
};

} // namespace

SCENARIO("a bot's own token confirms as the Bot API says") {
  auto plus = plan_of_bot(17);
  CHECK_EQ(plus.below, 17);
  CHECK(!plan_of_bot(0).confirms());
  auto minus = plan_of_bot(-3);
  CHECK_EQ(minus.keep_last, 3u);
  CHECK_EQ(minus.below, 0);
  CHECK_EQ(plan_of_bot(std::numeric_limits<std::int64_t>::min()).keep_last, 0xFFFF'FFFFu);
}

SCENARIO("a worker alone gets everything, again until it confirms it") {
  sharing s;
  s.begin(1, start);
  CHECK_EQ(poll(s, 1, from(10, 14)), (id_list{10, 11, 12, 13, 14}));
  CHECK_EQ(poll(s, 1, from(10, 14), 2), (id_list{10, 11}));
  CHECK_EQ(s.plan_of(1, 13).seqs, (id_list{10, 11, 12}));
  s.forget({10, 11, 12});
  CHECK_EQ(poll(s, 1, from(13, 15)), (id_list{13, 14, 15}));
}

SCENARIO("an offset confirms only what the worker has got") {
  sharing s;
  s.begin(1, start);
  CHECK(!s.plan_of(1, 13).confirms()); // Nothing was handed to it.
  poll(s, 1, from(10, 12));
  CHECK(!s.plan_of(1, 0).confirms());
  CHECK(!s.plan_of(1, 20).confirms()); // It cannot have got 19.
  CHECK(!s.plan_of(2, 13).confirms()); // Not its own.
  CHECK_EQ(s.plan_of(1, 12).seqs, (id_list{10, 11}));
}

SCENARIO("an offset that is sent again since the answer was lost loses no updates of lower ids") {
  sharing s;
  s.begin(1, start);
  poll(s, 1, from(100, 110));
  s.forget(s.plan_of(1, 111).seqs);
  CHECK_EQ(poll(s, 1, {{50, {0, 5}, 50}}), (id_list{50})); // A dead worker's. The answer is lost.
  CHECK(!s.plan_of(1, 111).confirms());
  CHECK_EQ(s.plan_of(1, 51).seqs, (id_list{50}));
}

SCENARIO(
  "what a worker got once more after a silence confirms nothing else when its answer is lost") {
  sharing s{60s};
  s.begin(1, start);
  poll(s, 1, {{110, {0, 1}, 110}}); // Seen, not confirmed.
  s.end(1, start);
  s.expire(start + 60s);
  s.begin(1, start + 61s);
  CHECK_EQ(s.plan_of(1, 111).seqs, id_list{110}); // The journal did not take it.
  CHECK_EQ(poll(s, 1, {{90, {0, 2}, 90}, {110, {0, 1}, 110}}), (id_list{90, 110})); // Lost.
  CHECK_EQ(s.plan_of(1, 111).seqs, (id_list{110}));
}

SCENARIO("a worker that was silent for long confirms what it had, unless another one has it now") {
  for (bool other : {false, true}) {
    sharing s{60s, 10min};
    s.begin(1, start);
    poll(s, 1, from(10, 12));
    s.end(1, start); // It deals with them for more than a minute.
    CHECK(s.expire(start + 60s));
    CHECK_EQ(s.remembers_until(), start + 660s);
    s.begin(2, start + 61s);
    if (other)
      CHECK_EQ(poll(s, 2, from(10, 10)), id_list{10});
    s.begin(1, start + 70s);
    auto seen = s.plan_of(1, 12);
    CHECK_EQ(seen.seqs, (other ? id_list{11} : id_list{10, 11}));
    CHECK(s.plan_of(1, 12).confirms()); // The journal did not take it.
    s.forget(seen.seqs);
    CHECK(!s.plan_of(1, 13).confirms()); // That one may be on its way to another.
  }
}

SCENARIO(
  "a late update is not handed out for ever to a client whose offset is above all it ever saw") {
  book b;
  (void)b.named(0);
  b.handed({120, {}, 1});
  CHECK_EQ(b.named(121).seqs, id_list{1});
  b.forget({1});
  b.handed({115, {}, 2}); // It came late.
  for (std::uint32_t i = 1; i < book::most_times; ++i) {
    CHECK(!b.named(121).confirms()); // The answer was lost, or its client keeps the highest.
    CHECK(b.named(121).hopeless.empty());
    CHECK(b.doubted({115, {}, 2}));
    b.handed({115, {}, 2});
  }
  CHECK_EQ(b.named(121).hopeless, id_list{2});
  b.handed({122, {}, 3}); // In company it is no question.
  CHECK_EQ(b.named(123).seqs, (id_list{2, 3}));
}

SCENARIO("it is known when updates that wait are another worker's now") {
  sharing s;
  s.begin(1, start);
  poll(s, 1, from(1, 10));
  s.begin(2, start);
  bool moved = false;
  for (std::int64_t id = 1; id <= 10; ++id) {
    bool now = s.forget({id});
    CHECK_EQ(now, !s.wants(1, {id + 10, {0, id % 10}, id + 10}));
    moved = moved || now;
  }
  CHECK(moved);
}

SCENARIO(
  "after a silence an offset confirms no other update with the id of one that was seen before") {
  for (bool confirmed : {true, false}) {
    sharing s{60s, 10min};
    s.begin(1, start);
    poll(s, 1, {{110, {0, 1}, 1}});
    if (confirmed) {
      auto seen = s.plan_of(1, 111);
      CHECK_EQ(seen.seqs, id_list{1});
      s.forget(seen.seqs);
    }
    s.end(1, start);
    s.begin(2, start + 59s);
    CHECK(s.expire(start + 60s));
    if (!confirmed) // The other one confirms it.
      CHECK_EQ(poll(s, 2, {{110, {0, 1}, 1}}), id_list{110});
    s.begin(1, start + 61s);
    CHECK(!s.plan_of(1, 111).confirms()); // Not what the other one has.
    s.forget({1});
    offer other{110, {0, 1}, 9}; // Ids began anew.
    s.end(2, start + 61s);
    s.expire(start + 130s);
    for (std::uint32_t i = 0; i < book::most_times; ++i) {
      CHECK_EQ(poll(s, 1, {other}), id_list{110}); // The answer is lost.
      CHECK(!s.plan_of(1, 111).confirms());
    }
    CHECK_EQ(poll(s, 1, {other, {112, {0, 1}, 10}}), (id_list{110, 112}));
    CHECK_EQ(s.plan_of(1, 113).seqs, (id_list{9, 10}));
  }
}

SCENARIO("what a worker saw before a silence is forgotten in the end, and when it begins anew") {
  for (bool anew : {true, false}) {
    sharing s{60s, 10min};
    s.begin(1, start);
    poll(s, 1, {{110, {0, 1}, 1}});
    s.forget(s.plan_of(1, 111).seqs);
    s.end(1, start);
    CHECK(s.expire(start + 60s));
    auto back = anew ? start + 61s : start + 661s;
    s.expire(back);
    s.begin(1, back);
    CHECK(!s.plan_of(1, anew ? 0 : 111).confirms());
    CHECK_EQ(poll(s, 1, {{110, {0, 1}, 9}}), id_list{110});
    CHECK_EQ(s.plan_of(1, 111).seqs, id_list{9});
  }
}

SCENARIO("of two updates with one id an offset confirms those that were handed out") {
  book b;
  auto nothing = b.named(0);
  CHECK(!nothing.confirms());
  b.handed({100, {}, 1});
  b.handed({101, {}, 2});
  CHECK_EQ(b.named(102).seqs, (id_list{1, 2}));
  b.forget({1, 2});
  b.handed({101, {}, 9}); // Another one. Its answer may be lost, or not: the offset is the same.
  for (std::uint32_t i = 1; i < book::most_times; ++i) {
    CHECK(!b.named(102).confirms());
    CHECK(b.named(102).hopeless.empty());
    CHECK(b.doubted({101, {}, 9}));
    b.handed({101, {}, 9});
  }
  CHECK(!b.named(102).confirms());
  CHECK_EQ(b.named(102).hopeless, id_list{9});
  // In company it is no question.
  b.handed({103, {}, 10});
  CHECK_EQ(b.named(104).seqs, (id_list{9, 10}));
}

SCENARIO("two updates with one id in one answer are confirmed together, also when told twice") {
  book b;
  (void)b.named(0);
  b.handed({101, {}, 2});
  b.handed({101, {}, 9});
  CHECK_EQ(b.named(102).seqs, (id_list{2, 9}));
  CHECK_EQ(b.named(102).seqs, (id_list{2, 9})); // The journal did not take it.
}

SCENARIO("an update with the id of one that was confirmed in another way is in doubt") {
  book b;
  (void)b.named(102);
  b.confirmed_below(102);
  b.handed({101, {}, 9});
  CHECK(!b.named(102).confirms());
  CHECK(b.doubted({101, {}, 9}));
  // A client that began anew has seen it.
  (void)b.named(0);
  b.handed({101, {}, 9});
  CHECK_EQ(b.named(102).seqs, id_list{9});
}

SCENARIO("workers share by chat") {
  sharing s;
  s.begin(1, start);
  s.begin(2, start);
  auto one = poll(s, 1, from(1, 100));
  auto two = poll(s, 2, from(1, 100));
  CHECK_EQ(one.size() + two.size(), 100u);
  CHECK(one.size() > 0 && two.size() > 0);
  for (auto id : one)
    CHECK(std::none_of(two.begin(), two.end(), [id](auto x) { return x % 10 == id % 10; }));
}

SCENARIO("a chat stays with the worker that has its updates, though another one comes") {
  sharing s;
  s.begin(1, start);
  CHECK_EQ(poll(s, 1, from(1, 10)).size(), 10u);
  s.begin(2, start);
  CHECK_EQ(poll(s, 2, from(1, 20)).size(), 0u);
  s.forget(s.plan_of(1, 11).seqs);
  CHECK(poll(s, 2, from(11, 20)).size() > 0); // Now those of its chats.
}

SCENARIO("what a worker had is others' once it was silent for too long") {
  sharing s{60s};
  s.begin(1, start);
  s.begin(2, start);
  auto one = poll(s, 1, from(1, 10));
  CHECK(one.size() > 0);
  s.end(1, start + 10s);
  CHECK_EQ(s.next_expiry(), start + 70s);
  CHECK(!s.expire(start + 69s));
  CHECK(s.expire(start + 70s));
  CHECK_EQ(poll(s, 2, from(1, 10)).size(), 10u);
  CHECK(!s.expire(start + 24h)); // A poll under way is no silence.
}

SCENARIO("a worker drops what waits only while it is alone") {
  sharing s;
  s.begin(1, start);
  CHECK_EQ(s.plan_of(1, -1).keep_last, 1u);
  s.begin(2, start);
  CHECK(!s.plan_of(1, -1).confirms());
}

SCENARIO("whatever gets lost, no update is confirmed unseen, and a chat is with one worker") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    world w{seed};
    for (int step = 0; step < 600; ++step) {
      w.now += std::chrono::milliseconds{w.pick(w.chance(0.01) ? 100'000 : 2000)};
      if (w.chance(0.5))
        w.arrive();
      else
        w.take_poll(w.clients[w.pick(w.clients.size())]);
    }
    CHECK_EQ(w.confirmed_unseen, 0u);
    CHECK_EQ(w.shared_keys, 0u);
    // At the end one of them alone gets all that is left.
    w.now += 2min;
    w.s.expire(w.now);
    for (int i = 0; i < 5000 && !w.pending.empty(); ++i)
      w.take_poll(w.clients[0]);
    CHECK(w.pending.empty());
    CHECK_EQ(w.seen, w.made);
    CHECK(w.lost > 0 && w.repeated < w.made.size());
  }
}

} // namespace troupe::pull_suite

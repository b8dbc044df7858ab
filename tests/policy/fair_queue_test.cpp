#define CAF_SUITE policy_fair_queue
#include "runtime/policy/fair_queue.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace troupe::fair_queue_suite {

using namespace std::literals;

namespace {

using action = fair_queue::action;
using waiter = fair_queue::waiter;

constexpr auto start = time_point{1h};
constexpr auto far = start + 1000h;

waiter make(std::uint32_t tenant, std::int64_t bot, std::uint64_t call, std::int64_t chat = 0) {
  return {bot, tenant, call, {chat, 1, chat != 0, false, false}, far};
}

/// The same rules over plain lists, scanned every time.
struct model {
  using lane = std::pair<std::int64_t, std::int64_t>; // Bot, chat.
  std::vector<waiter> waiters;                        // Oldest first.
  std::vector<std::uint32_t> tenants;                 // In turn.
  std::map<std::uint32_t, std::vector<std::int64_t>> bots;
  std::map<lane, time_point> parked_lanes;
  std::map<std::int64_t, time_point> parked_bots;
  std::map<std::uint32_t, time_point> parked_tenants;

  const waiter* first_of(std::int64_t bot) const {
    if (parked_bots.contains(bot))
      return nullptr;
    for (auto& w : waiters)
      if (w.bot == bot && !parked_lanes.contains({bot, w.lane.chat}))
        return &w;
    return nullptr;
  }

  void forget_vanished() { // What has no waiters left has no state.
    auto none = [&](auto pred) { return std::none_of(waiters.begin(), waiters.end(), pred); };
    std::erase_if(parked_lanes, [&](auto& x) {
      return none([&](auto& w) { return lane{w.bot, w.lane.chat} == x.first; });
    });
    std::erase_if(parked_bots,
                  [&](auto& x) { return none([&](auto& w) { return w.bot == x.first; }); });
    std::erase_if(parked_tenants,
                  [&](auto& x) { return none([&](auto& w) { return w.tenant == x.first; }); });
  }

  void settle() {
    forget_vanished();
    for (auto& [tenant, ring] : bots)
      std::erase_if(ring, [&](auto bot) { return !first_of(bot); });
    for (auto& w : waiters) {
      auto& ring = bots[w.tenant];
      if (first_of(w.bot) && std::find(ring.begin(), ring.end(), w.bot) == ring.end())
        ring.push_back(w.bot);
    }
    auto idle = [&](auto t) { return bots[t].empty() || parked_tenants.contains(t); };
    std::erase_if(tenants, idle);
    for (auto& [tenant, ring] : bots)
      if (!idle(tenant) && std::find(tenants.begin(), tenants.end(), tenant) == tenants.end())
        tenants.push_back(tenant);
  }

  template <class Map>
  bool wake_one(Map& map, time_point now) {
    auto first = std::min_element(map.begin(), map.end(),
                                  [](auto& a, auto& b) { return a.second < b.second; });
    if (first == map.end() || first->second > now)
      return false;
    map.erase(first);
    settle();
    return true;
  }

  void wake_due(time_point now) {
    while (wake_one(parked_tenants, now)) {
    }
    while (wake_one(parked_bots, now)) {
    }
    while (wake_one(parked_lanes, now)) {
    }
  }

  template <class Judge>
  std::optional<std::uint64_t> take_next(time_point now, Judge judge) {
    wake_due(now);
    while (!tenants.empty()) {
      auto tenant = tenants.front();
      auto bot = bots[tenant].front();
      auto w = *first_of(bot);
      fair_queue::decision d = judge(w);
      if (d.what == action::take) {
        auto& ring = bots[tenant];
        std::rotate(ring.begin(), ring.begin() + 1, ring.end());
        std::rotate(tenants.begin(), tenants.begin() + 1, tenants.end());
        std::erase_if(waiters, [&](auto& x) { return x.call == w.call; });
        settle();
        return w.call;
      }
      if (d.what == action::park_lane)
        parked_lanes[{bot, w.lane.chat}] = d.until;
      if (d.what == action::park_bot)
        parked_bots[bot] = d.until;
      if (d.what == action::park_tenant)
        parked_tenants[tenant] = d.until;
      settle();
    }
    return std::nullopt;
  }
};

std::vector<std::uint64_t> drain(fair_queue& queue, std::size_t n = 1000) {
  std::vector<std::uint64_t> result;
  std::uint64_t call = 0;
  auto judge = [&](const waiter& w, fair_queue::slot) {
    call = w.call;
    return fair_queue::decision{};
  };
  while (result.size() < n && queue.take_next(start, judge))
    result.push_back(call);
  return result;
}

} // namespace

SCENARIO("tenants take turns, their bots take turns, a bot's calls keep their order") {
  fair_queue queue;
  for (std::uint64_t i = 0; i < 4; ++i)
    queue.push(make(1, 10, 100 + i));
  queue.push(make(1, 11, 110));
  queue.push(make(2, 20, 200));
  queue.push(make(2, 20, 201));
  std::vector<std::uint64_t> expected{100, 200, 110, 201, 101, 102, 103};
  CHECK(drain(queue) == expected);
  CHECK(queue.empty());
}

SCENARIO("a flood of one bot delays another bot's call by one turn") {
  fair_queue queue;
  for (std::uint64_t i = 0; i < 1000; ++i)
    queue.push(make(1, 10, i));
  queue.push(make(1, 11, 5000));
  auto order = drain(queue, 3);
  CHECK(std::find(order.begin(), order.end(), 5000u) != order.end());
}

SCENARIO("a parked chat does not hold up the bot's other chats") {
  fair_queue queue;
  queue.push(make(1, 10, 1, 77));
  queue.push(make(1, 10, 2, 77));
  queue.push(make(1, 10, 3, 78));
  std::uint64_t call = 0;
  auto judge = [&](const waiter& w, fair_queue::slot) {
    call = w.call;
    return w.lane.chat == 77 ? fair_queue::decision{action::park_lane, start + 5s}
                             : fair_queue::decision{};
  };
  CHECK(queue.take_next(start, judge));
  CHECK_EQ(call, 3u);
  CHECK(!queue.take_next(start + 4s, judge));
  CHECK(queue.next_wake() == start + 5s);
  CHECK_EQ(drain(queue).size(), 0u);
  queue.wake_bot(10);
  CHECK(drain(queue) == std::vector<std::uint64_t>({1, 2}));
}

SCENARIO("parked bots are not asked again before their time, however many they are") {
  fair_queue queue;
  for (std::int64_t bot = 0; bot < 1000; ++bot)
    queue.push(make(1, bot, static_cast<std::uint64_t>(bot)));
  std::size_t asked = 0;
  auto blocked = [&](const waiter&, fair_queue::slot) {
    ++asked;
    return fair_queue::decision{action::park_bot, start + 10s};
  };
  CHECK(!queue.take_next(start, blocked));
  CHECK_EQ(asked, 1000u);
  for (int i = 0; i < 100; ++i)
    (void)queue.take_next(start + 1s, blocked);
  CHECK_EQ(asked, 1000u);
  CHECK(!queue.take_next(start + 10s, blocked));
  CHECK_EQ(asked, 2000u);
}

SCENARIO("calls are cancelled and expire by deadline") {
  fair_queue queue;
  auto w = make(1, 10, 1);
  w.deadline = start + 5s;
  auto late = queue.push(w);
  queue.push(make(1, 10, 2));
  CHECK_EQ(queue.find(10, 1), late);
  CHECK_EQ(queue.find(10, 9), fair_queue::none);
  CHECK_EQ(queue.expired(start + 4s), fair_queue::none);
  CHECK_EQ(queue.expired(start + 5s), late);
  queue.remove(late);
  CHECK_EQ(queue.find(10, 1), fair_queue::none);
  CHECK(queue.next_deadline() == far);
  CHECK(drain(queue) == std::vector<std::uint64_t>{2});
}

SCENARIO("a proven bot takes its waiters along, in order and in their slots") {
  fair_queue queue;
  std::map<std::uint64_t, fair_queue::slot> slots;
  for (std::uint64_t i = 0; i < 6; ++i)
    slots[i] = queue.push(make(1, i < 4 ? -5 : 6, i, static_cast<std::int64_t>(i % 2)));
  queue.merge_bot(-5, 5);
  for (std::uint64_t i = 0; i < 4; ++i)
    CHECK_EQ(queue.find(5, i), slots[i]);
  CHECK_EQ(queue.find(-5, 0), fair_queue::none);
  CHECK_EQ(queue.size(), 6u);
  auto order = drain(queue);
  std::erase_if(order, [](auto call) { return call >= 4; });
  CHECK(order == std::vector<std::uint64_t>({0, 1, 2, 3}));
}

SCENARIO("the backlog is how many turns pass before a new waiter's") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 rng{seed};
    fair_queue queue;
    auto n = rng() % 60;
    for (std::uint64_t i = 0; i < n; ++i)
      queue.push(
        make(1, static_cast<std::int64_t>(rng() % 8), i, static_cast<std::int64_t>(rng() % 3)));
    auto mine = make(1, static_cast<std::int64_t>(rng() % 8), 9999, 50);
    auto ahead = queue.ahead_of(mine);
    queue.push(mine);
    auto order = drain(queue);
    auto place = std::find(order.begin(), order.end(), 9999u) - order.begin();
    // Bots before this one in the ring go once more than those behind it.
    if (place > ahead.global || place + 8 < ahead.global)
      FAIL("seed " << seed << ": " << place << " of " << ahead.global);
    if (ahead.bot == 0 && place != ahead.global)
      FAIL("seed " << seed);
  }
  CHECK(true);
}

SCENARIO("the queue agrees with plain lists scanned every time") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 rng{seed};
    fair_queue queue;
    model m;
    std::map<std::uint64_t, fair_queue::slot> slots;
    auto now = start;
    std::uint64_t next = 0;
    auto tick = 0; // Makes every wake-up time different, so that their order is defined.
    for (int i = 0; i < 400; ++i) {
      now += std::chrono::milliseconds{rng() % 30};
      switch (rng() % 8) {
      case 0:
      case 1:
      case 2:
      case 3: {
        auto bot = static_cast<std::int64_t>(rng() % 7);
        auto w = make(static_cast<std::uint32_t>(bot % 3), bot, ++next,
                      static_cast<std::int64_t>(rng() % 3));
        slots[w.call] = queue.push(w);
        m.waiters.push_back(w);
        m.settle();
        break;
      }
      case 4:
        if (!m.waiters.empty()) {
          auto victim = m.waiters[rng() % m.waiters.size()];
          if (queue.find(victim.bot, victim.call) != slots[victim.call])
            FAIL("find: seed " << seed << ", step " << i);
          queue.remove(slots[victim.call]);
          std::erase_if(m.waiters, [&](auto& w) { return w.call == victim.call; });
          m.settle();
        }
        break;
      case 5: {
        auto bot = static_cast<std::int64_t>(rng() % 7);
        queue.wake_bot(bot);
        std::erase_if(m.parked_lanes, [&](auto& x) { return x.first.first == bot; });
        m.parked_bots.erase(bot);
        m.settle();
        break;
      }
      default: {
        auto salt = rng();
        auto base = ++tick;
        auto verdict = [&](const waiter& w) {
          auto h = mix(w.call * 7 + salt) % 10;
          auto until = now + std::chrono::milliseconds{20 + h * 10}
                       + std::chrono::nanoseconds{base * 10'000 + static_cast<int>(w.call)};
          if (h < 4)
            return fair_queue::decision{};
          auto what = h < 7 ? action::park_lane : h < 9 ? action::park_bot : action::park_tenant;
          return fair_queue::decision{what, until};
        };
        std::uint64_t got = 0;
        auto taken = queue.take_next(now, [&](const waiter& w, fair_queue::slot) {
          got = w.call;
          return verdict(w);
        });
        auto expected = m.take_next(now, verdict);
        if (taken.has_value() != expected.has_value() || (expected && got != *expected))
          FAIL("take: seed " << seed << ", step " << i);
      }
      }
      if (queue.size() != m.waiters.size() || queue.ready() == m.tenants.empty())
        FAIL("size: seed " << seed << ", step " << i);
    }
  }
  CHECK(true);
}

} // namespace troupe::fair_queue_suite

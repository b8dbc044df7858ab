#define CAF_SUITE passivation
#include "runtime/policy/passivation.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <cmath>
#include <deque>
#include <random>
#include <vector>

namespace troupe::passivation_suite {

using namespace std::literals;
using namespace passivation_order;

namespace {

time_point at(int seconds) {
  return time_point{std::chrono::seconds{seconds}};
}

/// Members that run within a bound, as a shard keeps them: who is missing comes in, and somebody
/// has to go for that.
struct cache {
  order& who;
  std::size_t most;
  std::size_t hits = 0;
  std::size_t uses = 0;
  int clock = 0;

  void use(member x) {
    ++uses;
    if (who.contains(x)) {
      ++hits;
      return who.used(x, 1, at(++clock));
    }
    while (who.size() >= most)
      who.remove(*who.next());
    who.add(x, at(++clock));
  }
  double ratio() const { return static_cast<double>(hits) / static_cast<double>(uses); }
  std::size_t held(member first, member last) const {
    std::size_t n = 0;
    for (auto x = first; x < last; ++x)
      n += who.contains(x) ? 1 : 0;
    return n;
  }
};

/// A hot set that is used again and again, then one walk over very many others.
std::size_t hot_ones_after_a_scan(order& who) {
  cache c{who, 100};
  for (int round = 0; round < 5; ++round)
    for (member x = 0; x < 50; ++x)
      c.use(x);
  for (member x = 1000; x < 6000; ++x)
    c.use(x);
  return c.held(0, 50);
}

} // namespace

SCENARIO("the least recently used leaves first, as in a plain list") {
  std::mt19937 random{7};
  for (int run = 0; run < 50; ++run) {
    lru order;
    std::deque<member> model;
    std::vector<member> asked;
    for (int i = 0; i < 400; ++i) {
      member x = random() % 20;
      auto in_line = std::find(model.begin(), model.end(), x);
      auto out = std::find(asked.begin(), asked.end(), x);
      switch (random() % 5) {
      case 0:
        order.add(x, at(i));
        if (in_line == model.end() && out == asked.end())
          model.push_back(x);
        break;
      case 1:
      case 2: {
        bool known = in_line != model.end() || out != asked.end();
        order.used(x, 1, at(i));
        std::erase(model, x);
        std::erase(asked, x);
        if (known)
          model.push_back(x);
        break;
      }
      case 3:
        order.remove(x);
        if (in_line != model.end())
          model.erase(in_line);
        if (out != asked.end())
          asked.erase(out);
        break;
      default: {
        auto next = order.next();
        REQUIRE_EQ(next.has_value(), !model.empty());
        if (next) {
          CHECK_EQ(*next, model.front());
          asked.push_back(model.front());
          model.pop_front();
        }
      }
      }
      REQUIRE_EQ(order.size(), model.size() + asked.size());
    }
  }
}

SCENARIO("every order holds whom it was given, asks each once, and none that is being asked") {
  std::mt19937 random{11};
  for (int run = 0; run < 60; ++run) {
    std::unique_ptr<order> who;
    if (run % 3 == 0)
      who = std::make_unique<idle>();
    else if (run % 3 == 1)
      who = std::make_unique<lru>();
    else
      who = std::make_unique<slru>(random() % 30);
    enum class state { out, line, asked };
    std::vector<state> model(40, state::out);
    for (int i = 0; i < 1000; ++i) {
      member x = random() % 40;
      auto& now = model[x];
      switch (random() % 7) {
      case 0:
      case 1:
        who->add(x, at(i));
        now = now == state::out ? state::line : now;
        break;
      case 2:
        who->used(x, random() % 3, at(i));
        now = now == state::asked ? state::line : now;
        break;
      case 3:
        who->remove(x);
        now = state::out;
        break;
      case 4:
        who->take(x);
        now = now == state::line ? state::asked : now;
        break;
      case 5:
        who->resize(random() % 50);
        break;
      default:
        auto next = who->next();
        bool any = std::count(model.begin(), model.end(), state::line) > 0;
        REQUIRE_EQ(next.has_value(), any);
        if (next) {
          CHECK(model[*next] == state::line);
          model[*next] = state::asked;
        }
      }
      CHECK_EQ(who->contains(x), model[x] != state::out);
    }
    // All are asked in the end.
    while (auto next = who->next())
      model[*next] = state::asked;
    CHECK_EQ(std::count(model.begin(), model.end(), state::line), 0);
  }
}

SCENARIO("an idle one is due when it was unused for so long, not before") {
  idle order;
  order.add(1, at(0));
  order.add(2, at(10));
  CHECK(!order.next(at(-1)));
  CHECK_EQ(order.next(at(5)), std::optional<member>{1});
  CHECK(!order.next(at(5)));
  order.used(1, 1, at(20)); // It had been used since.
  CHECK_EQ(order.next(at(15)), std::optional<member>{2});
  CHECK(!order.next(at(19)));
  CHECK_EQ(order.next(at(20)), std::optional<member>{1});
}

SCENARIO("who says that nothing was new keeps his segment, and the bound on protected ones holds") {
  slru order{10}; // Eight are protected.
  for (member x = 0; x < 10; ++x) {
    order.add(x, at(0));
    order.used(x, 1, at(1));
  }
  CHECK_EQ(order.next(), std::optional<member>{0}); // They fell back as the others came.
  CHECK_EQ(order.next(), std::optional<member>{1});
  order.used(0, 0, at(2)); // Busy, but not used again.
  CHECK_EQ(order.next(), std::optional<member>{0});
  order.resize(5);
  order.used(0, 3, at(3));
  CHECK_EQ(order.next(), std::optional<member>{2});
}

SCENARIO("a walk over all moves out the hot ones with lru and idle, and none with slru") {
  lru recent;
  idle unused;
  slru segmented{100};
  CHECK_EQ(hot_ones_after_a_scan(recent), 0u);
  CHECK_EQ(hot_ones_after_a_scan(unused), 0u);
  CHECK_EQ(hot_ones_after_a_scan(segmented), 50u);
}

} // namespace troupe::passivation_suite

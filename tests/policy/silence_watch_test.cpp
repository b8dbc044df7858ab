#define CAF_SUITE silence_watch
#include "runtime/policy/silence_watch.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <map>
#include <random>

namespace troupe::silence_watch_suite {

using list = std::vector<std::int64_t>;
constexpr std::int64_t second = 1000;
constexpr std::int64_t minute = 60 * second;

SCENARIO("who was heard of often and falls silent is told of, once") {
  silence_watch x;
  for (int i = 0; i < 5; ++i)
    x.note(7, i * 20 * second);
  CHECK(x.take(80 * second + 199 * second).empty()); // Ten usual pauses are 200 s.
  CHECK_EQ(x.take(80 * second + 200 * second), list{7});
  CHECK(x.take(80 * second + 900 * second).empty());
  x.note(7, 1000 * second); // It is back, and may fall silent again.
  CHECK(x.take(1001 * second).empty());
  CHECK_EQ(x.take(1000 * second + 61 * minute), list{7});
}

SCENARIO("few events, and short silences, say nothing") {
  silence_watch x;
  for (int i = 0; i < 4; ++i)
    x.note(7, i);
  for (int i = 0; i < 100; ++i)
    x.note(8, i);
  CHECK(x.take(59 * second).empty());
  CHECK_EQ(x.take(2 * minute), list{8}); // The shortest silence is a minute.
  CHECK(x.take(100 * minute).empty());
}

SCENARIO("whoever is heard of rarely is told of after the longest silence") {
  silence_watch x;
  for (int i = 0; i < 10; ++i)
    x.note(7, i * 50 * minute);
  CHECK(x.take(450 * minute + 59 * minute).empty());
  CHECK_EQ(x.take(450 * minute + 60 * minute), list{7});
}

SCENARIO("a clock that steps back makes nobody silent") {
  silence_watch x;
  for (int i = 0; i < 10; ++i)
    x.note(7, 100 * minute - i * minute);
  CHECK(x.take(90 * minute).empty());
  CHECK(x.take(100 * minute + 59 * second).empty());
  CHECK_EQ(x.take(102 * minute), list{7});
}

SCENARIO("no more are watched than may be") {
  silence_watch x{{.most = 10}};
  for (std::int64_t who = 1; who <= 100; ++who)
    for (int i = 0; i < 5; ++i)
      x.note(who, who);
  auto silent = x.take(10 * minute);
  REQUIRE_EQ(silent.size(), 10u);
  CHECK_EQ(silent.front(), 91); // Silent for the longest first.
  CHECK_EQ(silent.back(), 100);
}

SCENARIO("at random it tells of those that a plain model tells of") {
  struct one {
    std::vector<std::int64_t> at;
    bool told = false;
  };
  std::minstd_rand random{7};
  auto upto = [&](int n) { return std::uniform_int_distribution<int>{0, n}(random); };
  std::size_t told = 0;
  for (int round = 0; round < 20; ++round) {
    silence_watch x;
    std::map<std::int64_t, one> model;
    std::int64_t now = 0;
    for (int step = 0; step < 400; ++step) {
      now += upto(40) == 0 ? upto(90) * minute : upto(30) * second;
      if (upto(5) > 0) {
        auto who = upto(5) + 1;
        x.note(who, now);
        model[who].at.push_back(now);
        model[who].told = false;
        continue;
      }
      std::vector<std::int64_t> expected;
      for (auto& [who, m] : model) {
        double usual = 0;
        for (std::size_t i = 1; i < m.at.size(); ++i) {
          auto pause = static_cast<double>(std::min<std::int64_t>(m.at[i] - m.at[i - 1], 60 * minute));
          usual = i == 1 ? pause : usual + 0.2 * (pause - usual);
        }
        auto limit = std::clamp(10 * usual, 60.0 * second, 3600.0 * second);
        if (!m.told && m.at.size() >= 5 && static_cast<double>(now - m.at.back()) >= limit) {
          m.told = true;
          expected.push_back(who);
        }
      }
      auto got = x.take(now);
      std::sort(got.begin(), got.end());
      CHECK_EQ(got, expected);
      told += got.size();
    }
  }
  CHECK(told > 50);
}

} // namespace troupe::silence_watch_suite

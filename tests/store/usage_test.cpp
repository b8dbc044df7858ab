#define CAF_SUITE usage
#include "runtime/store/analytics.hpp"
#include "runtime/store/bots.hpp"
#include "runtime/store/health.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <algorithm>
#include <random>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::usage_suite {

namespace {

constexpr call_counts ok{1, 0, 0, 0, 1500};
constexpr call_counts failed{1, 1, 0, 0, 9000};

/// Noon of day 20,000.
const wall_time noon{std::chrono::hours{20'000 * 24 + 12}};

void add_bots(database& db, bot_id count) {
  db.write([&](unit& u) {
    for (bot_id id = 1; id <= count; ++id)
      (void)add_bot(u, sample_bot(id), sample_token(id));
  });
}

usage some(int calls, std::int64_t chat = 5) {
  usage x;
  for (int i = 0; i < calls; ++i) {
    x.count_call(i % 2 ? "getMe" : "sendMessage", i % 5 == 4 ? failed : ok);
    x.count_chat(chat);
  }
  x.count_update("message");
  return x;
}

/// @returns in how many steps
int expire_all(database& db, wall_time now, std::size_t at_once) {
  std::optional<bot_id> after = 0;
  int steps = 0;
  for (; after; ++steps)
    after = db.write([&](unit& u) { return expire_usage(u, *after, at_once, now); });
  return steps;
}

} // namespace

SCENARIO("usage adds up in bounded memory") {
  usage x;
  for (int i = 0; i < 1000; ++i) {
    x.count_call("method" + std::to_string(i), ok);
    x.count_update("kind" + std::to_string(i));
    x.count_chat(i);
    x.count_chat(-7, 3);
  }
  CHECK_EQ(x.calls.requests, 1000);
  CHECK_EQ(x.updates, 1000);
  CHECK(x.methods.size() <= usage::most_methods);
  CHECK(x.kinds.size() <= usage::most_kinds);
  CHECK(x.chats.size() <= usage::kept_chats);
  std::int64_t methods = 0, kinds = 0;
  for (auto& [name, c] : x.methods)
    methods += c.requests;
  for (auto& [name, n] : x.kinds)
    kinds += n;
  CHECK_EQ(methods, 1000);
  CHECK_EQ(kinds, 1000);
  usage sum;
  sum.add(x);
  sum.add(x);
  CHECK_EQ(sum.calls.requests, 2000);
  CHECK_EQ(sum.chats.size(), usage::kept_chats);
  CHECK_EQ(sum.chats.front().first, -7);
  CHECK_EQ(sum.chats.front().second, 6000);
  CHECK(sum.methods.size() <= usage::most_methods);
}

SCENARIO("the busiest chats are found among very many") {
  std::mt19937 dice{7};
  usage x;
  std::map<std::int64_t, std::int64_t> truth;
  for (int i = 0; i < 50'000; ++i) {
    // Chats 1 to 10 get half of all messages.
    std::int64_t chat = dice() % 2 ? 1 + dice() % 10 : 100 + dice() % 5000;
    x.count_chat(chat);
    ++truth[chat];
  }
  usage sum;
  sum.add(x);
  for (std::int64_t chat = 1; chat <= 10; ++chat) {
    auto found = std::find_if(sum.chats.begin(), sum.chats.end(),
                              [&](auto& one) { return one.first == chat; });
    REQUIRE(found != sum.chats.end());
    // Space-Saving never counts too little, and too much by at most total / places.
    CHECK(found->second >= truth[chat]);
    CHECK(found->second <= truth[chat] + 50'000 / 40);
  }
}

SCENARIO("summaries of minutes add up to one of the day that misses nobody busy") {
  std::mt19937 dice{11};
  usage day;
  std::map<std::int64_t, std::int64_t> truth;
  std::int64_t all = 0;
  for (int minute = 0; minute < 300; ++minute) {
    usage one;
    auto count = [&](std::int64_t chat, std::int64_t times) {
      one.count_chat(chat, times);
      truth[chat] += times;
      all += times;
    };
    count(7, minute % 2 == 0 ? 30 : 1); // In every other minute it is not among the busiest.
    for (int i = 0; i < 60; ++i)
      count(1000 + minute * 60 + i, 3 + dice() % 2); // Busier then, and never again.
    day.add(one);
  }
  REQUIRE_GT(truth[7], all / 40);
  CHECK_EQ(day.chats.front().first, 7);
  CHECK_EQ(day.chats.size(), usage::kept_chats);
  for (const auto& [chat, n] : day.chats) {
    CHECK_GE(n, truth[chat]);
    CHECK_LE(n, truth[chat] + all / 40);
  }
}

SCENARIO("a detail reads as it was written, or not at all") {
  auto x = some(7, INT64_MIN);
  x.count_update("ünïcode \"kind\"");
  x.hours[23] = 5;
  usage back;
  back.calls = x.calls;
  back.updates = x.updates;
  decode_detail(encode_detail(x), back);
  CHECK(back == x);
  usage empty;
  CHECK_EQ(encode_detail(empty), "{}");
  decode_detail("{}", empty);
  CHECK(empty == usage{});
  for (auto* bad : {"", "[]", "{\"m\":[]}", "{\"m\":{\"x\":[1,2]}}", "{\"c\":[[1]]}", "{\"h\":[1]}",
                    "{\"u\":{\"x\":\"y\"}}"})
    CHECK(fault_of([&] {
            usage to;
            decode_detail(bad, to);
          })
          == fault::schema);
}

SCENARIO("usage is counted per bot and hour, for bots that are registered") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 120);
    auto hour = hour_of(noon);
    std::vector<usage_sample> samples;
    for (bot_id id = 1; id <= 130; ++id)
      samples.push_back({id, hour, some(static_cast<int>(id % 7) + 1)});
    samples.push_back({1, hour - 1, some(2)});
    samples.push_back({1, hour - 12, some(3, 6)});
    for (int i = 0; i < 3; ++i)
      db.write([&](unit& u) { add_usage(u, samples); });
    db.read([&](unit& u) {
      CHECK_EQ(*u.value<int>("SELECT COUNT(*) FROM usage_hours"), 122);
      auto days = usage_by_day(u, 1, 1, noon, 7);
      REQUIRE_EQ(days.size(), 1u);
      auto& x = days[0].usage;
      CHECK_EQ(days[0].day, 20'000);
      CHECK_EQ(x.calls.requests, 3 * (2 + 2 + 3));
      CHECK_EQ(x.updates, 9);
      CHECK_EQ(x.methods.at("sendMessage").requests, 3 * (1 + 1 + 2));
      CHECK_EQ(x.kinds.at("message"), 9);
      CHECK_EQ(x.hours[12], 3 * 3);
      CHECK_EQ(x.hours[11], 3 * 3);
      CHECK_EQ(x.hours[0], 3 * 4);
      CHECK(x.chats == (std::vector<std::pair<std::int64_t, std::int64_t>>{{5, 12}, {6, 9}}));
      CHECK_EQ(usage_by_hour(u, 1, 1, 20'000).size(), 3u);
      CHECK_EQ(usage_by_hour(u, 1, 1, 20'000)[2].usage.calls.requests, 6);
      CHECK_EQ(usage_by_day(u, 1, 120, noon, 1)[0].usage.calls.requests, 3 * 2);
      // Another tenant's bot is no bot.
      CHECK(usage_by_day(u, 2, 1, noon, 7).empty());
      CHECK(usage_by_hour(u, 2, 1, 20'000).empty());
      CHECK(usage_by_day(u, 1, 125, noon, 7).empty());
    });
  });
}

SCENARIO("hours go after a week and days after ninety, and no day changes by that") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 5);
    auto today = day_of(noon);
    std::vector<usage_sample> samples;
    for (bot_id id = 1; id <= 5; ++id)
      for (std::int64_t day = today - 99; day <= today; day += 3)
        for (std::int64_t hour : {0, 5, 23})
          samples.push_back({id, day * 24 + hour, some(static_cast<int>(hour) + 1)});
    db.write([&](unit& u) { add_usage(u, samples); });
    auto before = db.read([&](unit& u) { return usage_by_day(u, 1, 3, noon, 90); });
    CHECK_EQ(expire_all(db, noon, 2), 4);
    auto after = db.read([&](unit& u) { return usage_by_day(u, 1, 3, noon, 90); });
    REQUIRE_EQ(before.size(), 30u);
    REQUIRE_EQ(after.size(), 30u);
    for (std::size_t i = 0; i < before.size(); ++i) {
      CHECK_EQ(before[i].day, today - 87 + 3 * static_cast<std::int64_t>(i));
      CHECK_EQ(after[i].day, before[i].day);
      CHECK(after[i].usage == before[i].usage);
      CHECK_EQ(after[i].usage.calls.requests, 1 + 6 + 24);
      CHECK_EQ(after[i].usage.hours[5], 6 + 1);
    }
    auto count = [&](const char* sql) {
      return db.read([&](unit& u) { return *u.value<std::int64_t>(sql); });
    };
    CHECK_EQ(count("SELECT MIN(hour) FROM usage_hours"), (today - 6) * 24);
    CHECK_EQ(count("SELECT COUNT(*) FROM usage_hours"), 5 * 3 * 3);
    CHECK_EQ(count("SELECT MIN(day) FROM usage_days"), today - 87);
    CHECK_EQ(count("SELECT COUNT(*) FROM usage_days"), 5 * 30);
    CHECK_EQ(expire_all(db, noon, 100), 2);
    CHECK_EQ(count("SELECT COUNT(*) FROM usage_days"), 5 * 30);
    // What comes very late still joins its day.
    usage_sample late{3, (today - 30) * 24 + 7, some(10)};
    db.write([&](unit& u) { add_usage(u, {&late, 1}); });
    expire_all(db, noon, 100);
    auto joined = db.read([&](unit& u) { return usage_by_day(u, 1, 3, noon, 90); });
    REQUIRE_EQ(joined.size(), 30u);
    CHECK_EQ(joined[19].usage.calls.requests, 1 + 6 + 24 + 10);
    CHECK_EQ(joined[19].usage.hours[7], 11);
    CHECK_EQ(count("SELECT COUNT(*) FROM usage_hours"), 5 * 3 * 3);
    expire_all(db, noon + std::chrono::hours{24 * 3}, 100);
    CHECK_EQ(count("SELECT MIN(day) FROM usage_days"), today - 84);
  });
}

SCENARIO("removing a bot removes its usage and health") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 2);
    std::vector<usage_sample> samples;
    for (bot_id id : {1, 2})
      for (std::int64_t day : {19'950, 20'000})
        samples.push_back({id, day * 24, some(1)});
    std::vector<health_snapshot> health{{.bot = 1}, {.bot = 2}};
    db.write([&](unit& u) {
      add_usage(u, samples);
      save_health(u, health);
    });
    db.write([](unit& u) {
      CHECK(remove_bot(u, 1, 1));
      for (std::string table : {"usage_hours", "usage_days", "bot_health"}) {
        CHECK_EQ(*u.value<int>("SELECT COUNT(*) FROM " + table + " WHERE bot = 1"), 0);
        CHECK(*u.value<int>("SELECT COUNT(*) FROM " + table + " WHERE bot = 2") > 0);
      }
    });
    // What was counted meanwhile has nowhere to go, and does not come back with the bot.
    db.write([&](unit& u) { add_usage(u, samples); });
    add_bots(db, 2);
    CHECK(db.read([](unit& u) { return usage_by_day(u, 1, 1, noon, 90); }).empty());
  });
}

SCENARIO("health comes back as it was saved") {
  on_both([](test_store& store) {
    auto db = store.open();
    add_bots(db, 150);
    health_snapshot full{.bot = 7,
                         .status = troupe::health_status::unhealthy,
                         .requests = 100,
                         .failures = 9,
                         .client_errors = 8,
                         .rate_limited = 7,
                         .latency_us = 123'456,
                         .consecutive_failures = 5,
                         .last_success = at(1),
                         .last_failure = at(2),
                         .breaker = troupe::breaker_state::half_open,
                         .breaker_until = at(3),
                         .saved = at(4)};
    std::vector<health_snapshot> all;
    for (bot_id id = 1; id <= 160; ++id)
      all.push_back({.bot = id, .requests = id, .saved = at(5)});
    db.write([&](unit& u) { save_health(u, all); });
    db.write([&](unit& u) { save_health(u, {&full, 1}); });
    db.read([&](unit& u) {
      CHECK(find_health(u, 1, 7) == full);
      CHECK(find_health(u, 1, 8) == all[7]);
      CHECK(!find_health(u, 2, 7).has_value());
      CHECK(!find_health(u, 1, 155).has_value());
      CHECK_EQ(load_health(u, 0, 1000).size(), 150u);
      CHECK_EQ(load_health(u, 100, 20).front().bot, 101);
      std::array shards{shard_of(7), shard_of(101)};
      std::vector<bot_id> of_shards;
      for (const auto& one : load_health(u, 0, 1000, shard_set{shards}))
        of_shards.push_back(one.bot);
      std::vector<bot_id> expected;
      for (bot_id id = 1; id <= 150; ++id)
        if (std::ranges::count(shards, shard_of(id)) != 0)
          expected.push_back(id);
      CHECK_EQ(of_shards, expected);
      CHECK_EQ(load_health(u, 7, 1, shard_set{shards}).size(), 1u);
    });
  });
}

} // namespace troupe::store::usage_suite

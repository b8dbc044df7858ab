#define CAF_SUITE shards
#include "runtime/store/bots.hpp"
#include "runtime/store/tokens.hpp"
#include "runtime/store/update_box.hpp"

#include "tests/store/samples.hpp"
#include "tests/store/stores.hpp"

#include <future>
#include <semaphore>
#include <thread>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::store::shards_suite {

namespace {

std::int64_t fence(unit& u, shard_id shard) {
  return u.value<std::int64_t>("SELECT revision FROM shard_fences WHERE shard = :shard", shard)
    .value();
}

void raise(database& db, shard_id shard, std::int64_t revision) {
  db.write([=](unit& u) { raise_fences(u, std::array{shard_hold{shard, revision}}); });
}

std::vector<bot_id> ids_of(const std::vector<bot_with_token>& rows) {
  std::vector<bot_id> result;
  for (auto& one : rows)
    result.push_back(one.bot.id);
  return result;
}

new_update boxed(bot_id bot, std::int64_t id, std::string_view body) {
  new_update x;
  x.bot = bot;
  x.update_id = id;
  x.hash = content_hash(body);
  x.kind = "message";
  x.key_id = 5;
  x.received = 10;
  x.expires = 20;
  x.body = body;
  return x;
}

} // namespace

SCENARIO("a fence rises and never falls") {
  on_both([](test_store& store) {
    auto db = store.open();
    raise(db, 7, 30);
    raise(db, 7, 20);
    CHECK_EQ(db.read([](unit& u) { return fence(u, 7); }), 30);
    std::vector<shard_hold> all;
    for (shard_id i = 0; i < shard_count; ++i)
      all.push_back({i, 25});
    db.write([&](unit& u) { raise_fences(u, all); });
    CHECK_EQ(db.read([](unit& u) { return fence(u, 7); }), 30);
    CHECK_EQ(db.read([](unit& u) { return fence(u, 1023); }), 25);
  });
}

SCENARIO("who has an older revision than the fence's is told so, shard by shard") {
  on_both([](test_store& store) {
    auto db = store.open();
    raise(db, 7, 30);
    raise(db, 900, 31);
    auto newer = db.write([](unit& u) {
      return newer_fences(u, std::array{shard_hold{900, 31}, shard_hold{7, 29}, shard_hold{8, 1}});
    });
    CHECK_EQ(newer, std::vector<shard_id>{7});
    std::vector<shard_hold> all;
    for (shard_id i = 0; i < shard_count; ++i)
      all.push_back({static_cast<shard_id>(shard_count - 1 - i), 30});
    newer = db.write([&](unit& u) { return newer_fences(u, all); });
    CHECK_EQ(newer, std::vector<shard_id>{900});
  });
}

SCENARIO(
  "a raise waits for a write that has looked at the fence, and no write that looks later goes "
  "through") {
  test_store store{backend::postgresql};
  auto writer = store.open();
  auto owner = store.connect();
  std::binary_semaphore looked{0};
  std::promise<void> go_on;
  auto may_end = go_on.get_future().share();
  std::atomic<int> runs{0};
  auto write = std::async(std::launch::async, [&] {
    writer.write([&](unit& u) {
      CHECK(newer_fences(u, std::array{shard_hold{7, 1}}).empty());
      u.execute("UPDATE journal_numbers SET next = 77");
      if (++runs == 1)
        looked.release();
      may_end.wait();
    });
  });
  looked.acquire();
  auto raised = std::async(std::launch::async, [&] {
    raise(owner, 7, 2);
    return owner.read([](unit& u) { return *u.value<int>("SELECT next FROM journal_numbers"); });
  });
  // It holds on while the other one's unit is open.
  CHECK(raised.wait_for(300ms) == std::future_status::timeout);
  go_on.set_value();
  write.get();
  CHECK_EQ(raised.get(), 77); // What was written the new owner reads.
  CHECK_EQ(runs.load(), 1);
  CHECK_EQ(writer.write([](unit& u) {
    return newer_fences(u, std::array{shard_hold{7, 1}});
  }),
           std::vector<shard_id>{7});
}

SCENARIO("a write whose view is from before the raise is run again, and sees it") {
  test_store store{backend::postgresql};
  auto writer = store.open();
  auto owner = store.connect();
  int runs = 0;
  auto newer = writer.write([&](unit& u) {
    (void)u.value<int>("SELECT next FROM journal_numbers"); // Its view of all begins here.
    if (++runs == 1)
      raise(owner, 7, 2);
    return newer_fences(u, std::array{shard_hold{7, 1}});
  });
  CHECK_EQ(newer, std::vector<shard_id>{7});
  CHECK_EQ(runs, 2);
}

SCENARIO(
  "a writer that hangs with the fence in its hand keeps the next owner waiting for seconds") {
  test_store store{backend::postgresql};
  auto writer = store.open();
  auto owner = store.connect();
  std::binary_semaphore looked{0};
  std::promise<void> go_on;
  auto may_end = go_on.get_future().share();
  writer.set_patience(0ms);
  auto write = std::async(std::launch::async, [&] {
    return failure_of([&] {
      writer.write([&](unit& u) {
        (void)newer_fences(u, std::array{shard_hold{7, 1}});
        looked.release();
        may_end.wait();
        u.execute("UPDATE journal_numbers SET next = 77");
      });
    });
  });
  looked.acquire();
  owner.set_patience(30s);
  auto began = std::chrono::steady_clock::now();
  raise(owner, 7, 2);
  CHECK(std::chrono::steady_clock::now() - began < fence_patience + 5s);
  go_on.set_value();
  CHECK(write.get().has_value());
  CHECK_EQ(owner.read([](unit& u) { return *u.value<int>("SELECT next FROM journal_numbers"); }),
           1);
}

SCENARIO("bots and virtual tokens are loaded by shards, few or many, page by page") {
  on_both([](test_store& store) {
    auto db = store.open();
    std::vector<shard_id> few, many;
    db.write([&](unit& u) {
      for (bot_id id = 1; id <= 60; ++id) {
        auto one = sample_bot(id);
        CHECK(add_bot(u, one, sample_token(id)) == registration::done);
        virtual_token token;
        token.tenant = one.tenant;
        token.bot = id;
        token.name = "x";
        CHECK(add_virtual_token(u, token, "hash-v-" + std::to_string(id)).has_value());
      }
    });
    for (bot_id id = 1; id <= 5; ++id)
      few.push_back(shard_of(id));
    for (bot_id id = 1; id <= 30; ++id)
      many.push_back(shard_of(id));
    for (auto& shards : {few, many}) {
      shard_set of{shards};
      std::vector<bot_id> expected, found;
      for (bot_id id = 1; id <= 60; ++id)
        if (std::ranges::find(shards, shard_of(id)) != shards.end())
          expected.push_back(id);
      CHECK(expected.size() < 60);
      for (bot_id after = 0;;) {
        auto page = ids_of(db.read([&](unit& u) { return load_bots(u, after, 3, of); }));
        found.insert(found.end(), page.begin(), page.end());
        if (page.size() < 3)
          break;
        after = page.back();
      }
      CHECK_EQ(found, expected);
      std::vector<bot_id> of_tokens;
      for (auto& [token, hash] :
           db.read([&](unit& u) { return load_virtual_tokens(u, 0, 100, at(0), of); }))
        of_tokens.push_back(token.bot);
      CHECK_EQ(of_tokens, expected);
    }
  });
}

SCENARIO("what is put in the box twice is in it once, in order, and comes out once") {
  on_both([](test_store& store) {
    auto db = store.open();
    std::vector<new_update> what{boxed(7, 3, "c"), boxed(7, 1, "a"), boxed(7, 1, "other")};
    auto put = [&](std::span<const new_update> x) {
      return db.write([&](unit& u) { return put_in_box(u, x, 4); });
    };
    CHECK_EQ(put(what).value_or(9), 3u);
    CHECK_EQ(put(std::span{what}.first(1)).value_or(9), 0u);
    std::vector<new_update> two{boxed(7, 8, "x"), boxed(7, 9, "y")};
    CHECK(!put(two).has_value()); // Four at most.
    std::vector<new_update> many(6, boxed(8, 1, ""));
    for (std::size_t i = 0; i < many.size(); ++i)
      many[i].update_id = static_cast<std::int64_t>(i);
    CHECK_EQ(put(many).value_or(9), 6u); // It was empty.
    CHECK_EQ(db.read([](unit& u) { return bots_in_box(u); }), (std::vector<bot_id>{7, 8}));
    auto there = db.read([](unit& u) { return look_in_box(u, 7, 10, 1000); });
    REQUIRE_EQ(there.size(), 3u);
    CHECK_EQ(there[0].body + there[1].body + there[2].body, "caother");
    CHECK_EQ(there[0].expires, 20);
    std::vector places{there[0].seq, there[1].seq, there[1].seq, std::int64_t{9999}};
    auto taken = db.write([&](unit& u) { return take_from_box(u, places); });
    CHECK_EQ(taken, (std::vector{there[0].seq, there[1].seq}));
    CHECK(db.write([&](unit& u) { return take_from_box(u, places); }).empty());
    CHECK_EQ(db.read([](unit& u) { return look_in_box(u, 7, 10, 1000).at(0).body; }), "other");
    db.write([](unit& u) { forget_updates(u, 7); });
    CHECK(db.read([](unit& u) { return look_in_box(u, 7, 10, 1000).empty(); }));
  });
}

} // namespace troupe::store::shards_suite

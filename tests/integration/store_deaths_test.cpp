#define CAF_SUITE integration_store_deaths
#include "messages/store.hpp"
#include "tests/integration/node_part.hpp"
#include "tests/sandbox/world.hpp"

#include <caf/scoped_actor.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace troupe::store_deaths_suite {

using namespace troupe::integration;
using sandbox::fault_kind;

namespace {

part_options stored() {
  part_options options;
  options.stored = true;
  return options;
}

/// How what was asked for ended.
struct tally {
  std::atomic<unsigned> good{0};
  std::atomic<unsigned> refused{0}; ///< With an error that says why.
  std::atomic<unsigned> odd{0};     ///< Anything else: must not happen.
  unsigned done() const { return good + refused + odd; }
};

/// Whether it is one of the errors that callers are told of: the store's own, or that it died.
bool is_honest(const caf::error& why) {
  if (why.category() == caf::type_id_v<store_refusal>)
    return why == store_refusal::unavailable || why == store_refusal::outcome_unknown;
  return why.category() == caf::type_id_v<caf::sec> && why != caf::sec::request_timeout;
}

/// Writes entries into the trail, one after the other, and knows which ones were acknowledged.
struct writer {
  explicit writer(std::string name) : name(std::move(name)) {}

  void run(node_part& node, const std::atomic<bool>& ends, tally& sum) {
    caf::scoped_actor self{node.system()};
    for (int i = 0; !ends; ++i) {
      auto store = node.store();
      if (!store) {
        std::this_thread::yield();
        continue;
      }
      audit_row row;
      row.by.name = name;
      row.action = "test.write";
      row.subject = name + ":" + std::to_string(i);
      self->request(store, 20s, row)
        .receive(
          [&](const audit_row& x) {
            ++sum.good;
            acknowledged.insert(x.subject);
          },
          [&](const caf::error& why) { ++(is_honest(why) ? sum.refused : sum.odd); });
    }
  }

  std::string name;
  std::set<std::string> acknowledged;
};

/// Changes the bot through the registrar; the rate that was acknowledged last stands.
struct changer {
  void run(node_part& node, const std::atomic<bool>& ends, tally& sum) {
    caf::scoped_actor self{node.system()};
    for (std::uint32_t rps = 1000; !ends; ++rps) {
      auto registrar = node.registrar();
      if (!registrar) {
        std::this_thread::yield();
        continue;
      }
      bot_change what{{}, 0, node.bot(), 0, "Robot", rps, 0, R"({"updates":{"mode":"none"}})"};
      self->request(registrar, 20s, what)
        .receive(
          [&](const bot_row&) {
            ++sum.good;
            least = most = rps;
          },
          [&](const caf::error& why) {
            ++(is_honest(why) ? sum.refused : sum.odd);
            most = rps; // It may have been stored.
          });
    }
  }

  std::uint32_t least = 0;
  std::uint32_t most = 0;
};

/// Sends messages with a key each, again and again until one is answered for good.
struct sender {
  void run(node_part& node, const std::atomic<bool>& ends, tally& sum) {
    auto http = node.connect();
    for (int i = 0; !ends; ++i) {
      auto body = R"({"chat_id":)" + std::to_string(node.chat()) + R"(,"text":"keyed )"
                  + std::to_string(i) + R"("})";
      auto key = "Idempotency-Key: key-" + std::to_string(i) + "\r\n";
      reply got;
      for (int tries = 0; tries < 3 && got.status != 200; ++tries) // With the same key each time.
        got = http.post(node.path("sendMessage"), body, "application/json", key);
      ++keys;
      ++(got.status == 200                                ? sum.good
         : got.is_api_error(503) || got.is_api_error(409) ? sum.refused
                                                          : sum.odd);
      if (got.status == 200)
        acknowledged.insert(body);
    }
  }

  std::set<std::string> acknowledged;
  std::size_t keys = 0;
};

struct caller {
  static void run(node_part& node, const std::atomic<bool>& ends, tally& sum) {
    auto http = node.connect();
    while (!ends)
      ++(http.get(node.path("getMe")).status == 200 ? sum.good : sum.odd);
  }
};

/// What stands in the store's trail, of these actions.
std::set<std::string> written(node_part& node) {
  std::set<std::string> result;
  caf::scoped_actor self{node.system()};
  audit_query what;
  what.action = "test.write";
  what.limit = 1000;
  for (bool more = true; more;) {
    more = false;
    self->request(node.store(), 10s, what)
      .receive(
        [&](const page<audit_row>& x) {
          for (const auto& row : x.rows)
            if (!result.insert(row.subject).second)
              FAIL("stored twice: " << row.subject);
          more = x.more;
          if (more)
            what.before = x.rows.back().id;
        },
        [](const caf::error& why) { FAIL("the trail is not read: " << why); });
  }
  return result;
}

/// Kills the store, each time when work went on after the last death.
void kill_often(node_part& node, int times, const std::function<bool()>& went_on) {
  for (int i = 0; i < times; ++i) {
    CHECK(until(went_on, 20s));
    node.kill(service::store);
    CHECK(until([&] { return node.replaced(service::store); }));
  }
  CHECK(until(went_on, 20s));
}

reply keyed(node_part& node, client& http) {
  return http.post(node.path("sendMessage"),
                   R"({"chat_id":)" + std::to_string(node.chat()) + R"(,"text":"once"})",
                   "application/json", "Idempotency-Key: the-key\r\n");
}

/// The same, without waiting for the answer.
void send_keyed(node_part& node, client& http) {
  auto body = R"({"chat_id":)" + std::to_string(node.chat()) + R"(,"text":"once"})";
  http.connect();
  http.send("POST " + node.path("sendMessage") + " HTTP/1.1\r\nHost: x\r\n"
            + "Content-Type: application/json\r\nIdempotency-Key: the-key\r\nContent-Length: "
            + std::to_string(body.size()) + "\r\n\r\n" + body);
}

} // namespace

SCENARIO(
  "a store killed under load loses nothing it acknowledged, and everybody is told how it is") {
  node_part node{stored()};
  std::atomic<bool> ends{false};
  tally writes, changes, sends, calls;
  std::vector<writer> writers;
  for (int i = 0; i < 3; ++i)
    writers.emplace_back("writer-" + std::to_string(i));
  changer of_bot;
  sender with_keys;
  std::vector<std::thread> threads;
  for (auto& one : writers)
    threads.emplace_back([&] { one.run(node, ends, writes); });
  threads.emplace_back([&] { of_bot.run(node, ends, changes); });
  threads.emplace_back([&] { with_keys.run(node, ends, sends); });
  threads.emplace_back([&] { caller::run(node, ends, calls); });
  // Each kind of work went on after the last death.
  std::array<unsigned, 4> seen{};
  auto went_on = [&] {
    std::array<unsigned, 4> now{writes.good, changes.good, sends.good, calls.good};
    for (std::size_t i = 0; i < now.size(); ++i)
      if (now[i] < seen[i] + 10)
        return false;
    seen = now;
    return true;
  };
  kill_often(node, 4, went_on);
  ends = true;
  for (auto& one : threads)
    one.join();
  MESSAGE("writes " << writes.good << "+" << writes.refused << ", changes " << changes.good << "+"
                    << changes.refused << ", keyed calls " << sends.good << "+" << sends.refused
                    << ", calls " << calls.good);
  CHECK_EQ(writes.odd, 0u);
  CHECK_EQ(changes.odd, 0u);
  CHECK_EQ(sends.odd, 0u);
  CHECK_EQ(calls.odd, 0u); // Calls need no store.
  CHECK_GT(writes.refused + changes.refused + sends.refused, 0u);
  auto there = written(node);
  for (const auto& one : writers) {
    CHECK(!one.acknowledged.empty());
    for (const auto& subject : one.acknowledged)
      if (!there.contains(subject))
        FAIL("acknowledged and lost: " << subject);
  }
  // Unacknowledged ones may be there: at most as many as were refused.
  CHECK_LE(there.size(), std::size_t{writes.good} + writes.refused);
  caf::scoped_actor self{node.system()};
  self->request(node.store(), 10s, bot_lookup{0, {node.bot()}})
    .receive(
      [&](const bot_batch& x) {
        REQUIRE_EQ(x.bots.size(), 1u);
        CHECK_GE(x.bots[0].rps, of_bot.least);
        CHECK_LE(x.bots[0].rps, of_bot.most);
      },
      [](const caf::error& why) { FAIL("not found: " << why); });
  // Each message that was answered is there, and none was sent twice.
  auto sent = node.seen("sendMessage");
  CHECK_GE(sent, with_keys.acknowledged.size());
  CHECK_LE(sent, with_keys.keys);
  CHECK(until([&] { return node.at_rest(); }));
}

SCENARIO("a key that was sent when its gateway died has an unknown outcome, whoever waits for it") {
  node_part node{stored()};
  node.fail(fault_kind::hang, "sendMessage");
  auto first = node.connect();
  auto second = node.connect();
  send_keyed(node, first);
  // It has been sent, not only admitted.
  CHECK(
    until([&] { return node.upstream().faults.report().find("\"hits\":1") != std::string::npos; }));
  send_keyed(node, second);
  CHECK(until([&] { return node.calls() == 2; }));
  node.kill_gateways();
  CHECK(first.ended());
  CHECK(second.ended());
  node.mend();
  // By now nothing runs: a key that is said to run would be said to run for a day.
  auto third = node.connect();
  reply got;
  CHECK(until([&] {
    got = keyed(node, third);
    return got.is_api_error(409) && got.body.find("outcome_unknown") != std::string::npos;
  }));
  MESSAGE(got.body);
  CHECK_EQ(node.seen("sendMessage"), 1u);
}

SCENARIO("a key that was not sent when its gateway died is free again, whoever waited for it") {
  auto options = stored();
  options.pool.max_connections = options.pool.max_per_host = 1;
  node_part node{options};
  node.fail(fault_kind::hang, "getMe");
  auto hanging = node.connect();
  hanging.connect();
  hanging.send("GET " + node.path("getMe") + " HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(until([&] { return node.pool().leased == 1; }));
  auto first = node.connect();
  auto second = node.connect();
  auto third = node.connect();
  for (auto* one : {&first, &second, &third})
    send_keyed(node, *one); // The first waits for the session, the others for the first.
  CHECK(until([&] { return node.calls() == 4; }));
  CHECK(until([&] { return node.governor().waiting == 1; }));
  node.kill_gateways();
  for (auto* one : {&hanging, &first, &second, &third})
    CHECK(one->ended());
  node.mend();
  auto last = node.connect();
  reply got;
  CHECK(until([&] {
    got = keyed(node, last);
    return got.status == 200;
  }));
  MESSAGE(got.body);
  CHECK_EQ(node.seen("sendMessage"), 1u);
  CHECK(until([&] { return node.at_rest(); }));
}

} // namespace troupe::store_deaths_suite

#define CAF_SUITE api.peers
#include "runtime/api/context.hpp"
#include "runtime/registry/event_hub.hpp"
#include "tests/api/managed.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <thread>

/// Two nodes' control APIs: limits that hold over both, and events of bots of the other one.
namespace troupe::peers_suite {

using namespace std::literals;
using fakes::told;

namespace {

struct fixture : fakes::managed_node {
  using view_ptr = std::shared_ptr<cluster_view>;

  fixture() {
    limits.requests_per_minute = 10;
    limits.creations_per_minute = 4;
    limits.failures_per_minute = 6;
    for (int i = 0; i < 2; ++i) {
      desks[i] = sys.spawn([this, of = views[i]](caf::event_based_actor* self) -> caf::behavior {
        return {[=, this](peer_request& x) -> caf::result<caf::message> {
          ++asked;
          if (deaf)
            return caf::make_error(ec::draining);
          if (mute) {
            self->request(of->api.get(), caf::infinite, x.what.get_as<events_take>(0))
              .then([](const events_said&) {});
            return caf::make_error(caf::sec::request_timeout);
          }
          CHECK(x.to == peer_part::api);
          auto* element = self->current_mailbox_element();
          caf::actor_cast<caf::actor>(of->api.get())
            ->enqueue(
              caf::make_mailbox_element(element->sender, element->mid, {}, std::move(x.what)),
              self->context());
          element->mid.mark_as_answered();
          return caf::delegated<caf::message>{};
        }};
      });
      auto p = managed_ports();
      p.events = hubs[i];
      p.cluster = views[i];
      p.limits = limits;
      nodes[i] = api::make_context(std::move(p));
    }
    split(shard_count / 2);
  }
  ~fixture() {
    for (int i = 0; i < 2; ++i) {
      views[i]->set_others({}, unowned_shards());
      views[i]->api.publish({});
      caf::anon_send_exit(desks[i], caf::exit_reason::kill);
      nodes[i] = nullptr;
    }
  }
  /// The first node has the shards below this one, the second the others.
  void split(std::size_t at) {
    shard_owners first = unowned_shards();
    shard_owners second = unowned_shards();
    for (shard_id i = 0; i < shard_count; ++i) {
      views[0]->set_fence(i, i < at ? 1 : 0);
      views[1]->set_fence(i, i < at ? 0 : 1);
      (i < at ? second : first)[i] = 0;
    }
    views[0]->set_others({{"second", desks[1]}}, first);
    views[1]->set_others({{"first", desks[0]}}, second);
  }
  api::response at(int node, std::string_view method, std::string_view target,
                   std::string_view body, std::string_view key) {
    ctx = nodes[node];
    return send(method, target, body, key);
  }
  /// How many of these requests are let in, of `count` that go to both nodes in turn.
  int admitted(int count, std::string_view key) {
    int result = 0;
    for (int i = 0; i < count; ++i)
      result += at(i % 2, "GET", "/v1/me", {}, key).status == 200 ? 1 : 0;
    return result;
  }

  /// A client that watches a bot at a node.
  struct client {
    api::response answer;
    std::shared_ptr<boost::asio::io_context> io = std::make_shared<boost::asio::io_context>();
    /// What comes next.
    std::string next() {
      std::string out;
      io->restart();
      boost::asio::co_spawn(io->get_executor(), answer.stream(out),
                            [](std::exception_ptr failed, bool) {
                              if (failed)
                                std::rethrow_exception(failed);
                            });
      io->run();
      return out;
    }
    ~client() { answer.stream = nullptr; }
  };
  client watch(int node, bot_id bot) {
    client one;
    auto path = "/v1/bots/" + std::to_string(bot) + "/events";
    std::string key = "Bearer " + viewer;
    std::vector<net::http_header> all{{"Authorization", key}};
    api::request what{"GET", path, {}, "req-1", one.io->get_executor()};
    what.headers = all;
    what.peer = peer;
    boost::asio::co_spawn(one.io->get_executor(), api::handle(nodes[node], what),
                          [&](std::exception_ptr failed, api::response got) {
                            if (failed)
                              std::rethrow_exception(failed);
                            one.answer = std::move(got);
                          });
    one.io->run();
    return one;
  }
  void tell(int node, bot_id bot, std::string_view data) {
    hubs[node]->publish(bot, "call", [&] { return std::string{data}; });
  }

  api::api_limits limits;
  std::array<std::shared_ptr<event_hub>, 2> hubs{std::make_shared<event_hub>(),
                                                 std::make_shared<event_hub>()};
  std::array<view_ptr, 2> views{std::make_shared<cluster_view>(), std::make_shared<cluster_view>()};
  std::array<caf::actor, 2> desks;
  std::array<std::shared_ptr<api::context>, 2> nodes;
  std::atomic<int> asked{0};
  std::atomic<bool> deaf{false};
  std::atomic<bool> mute{false}; ///< What is answered is lost on the way.
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a user's requests are counted once for all nodes, whichever node counts them") {
  for (auto at : {shard_count, std::size_t{0}, shard_count / 2}) {
    split(at);
    CHECK_EQ(admitted(30, developer), 10);
    CHECK_EQ(admitted(30, stranger), 10); // Of another tenant.
    now += 61s;
  }
}

SCENARIO("who has to wait is told so without asking again, and goes on when the minute is over") {
  split(shard_count); // The first node counts.
  CHECK_EQ(admitted(20, developer), 10);
  auto before = asked.load();
  auto refused = at(1, "GET", "/v1/me", {}, developer);
  CHECK_EQ(told(refused), "429 too_many_requests");
  CHECK(refused.headers.find("Retry-After: 60") != std::string::npos);
  CHECK_EQ(asked.load(), before);
  now += 61s;
  CHECK_EQ(admitted(20, developer), 10);
}

SCENARIO("bots that one address registers, and its wrong keys, are counted for all nodes") {
  int made = 0;
  for (int i = 0; i < 12; ++i) {
    auto body = R"({"token":")" + std::to_string(100 + i) + ":" + std::string(35, 'A') + R"("})";
    made += at(i % 2, "POST", "/v1/bots", body, boss).status == 429 ? 0 : 1;
  }
  CHECK_EQ(made, 4);
  std::string wrong = "trp_t_" + std::string(43, 'x');
  int looked_up = 0;
  for (int i = 0; i < 20; ++i)
    looked_up += told(at(i % 2, "GET", "/v1/me", {}, wrong)) == "429 too_many_failures" ? 0 : 1;
  CHECK_EQ(looked_up, 6);
}

SCENARIO("a node that cannot ask who counts grants its part of the limit") {
  deaf = true;
  split(shard_count);
  int first = 0;
  int second = 0;
  for (int i = 0; i < 20; ++i) {
    first += at(0, "GET", "/v1/me", {}, developer).status == 200 ? 1 : 0;
    second += at(1, "GET", "/v1/me", {}, developer).status == 200 ? 1 : 0;
  }
  CHECK_EQ(first, 10); // It counts, and knows nothing of the other's.
  CHECK_EQ(second, 5);
}

SCENARIO("without a limit nobody is asked") {
  for (auto& node : nodes)
    node->requests.set(0);
  CHECK_EQ(admitted(30, developer), 30);
  CHECK_EQ(asked.load(), 0);
}

SCENARIO("whoever watches a bot sees what happens to it at the other node") {
  kept->add_bot(7, 1);
  split(shard_count); // All bots are the first node's.
  auto far = watch(1, 7);
  REQUIRE_EQ(far.answer.status, 200);
  CHECK(far.next().find(": events of bot 7") == 0);
  // The other node knows of the client when it asks; what happens then wakes it.
  std::thread later{[this] {
    for (auto until = std::chrono::steady_clock::now() + 10s; hubs[0]->known() == 0;) {
      if (std::chrono::steady_clock::now() > until)
        break;
      std::this_thread::yield();
    }
    tell(0, 7, R"({"n":1})");
    tell(0, 8, R"({"n":2})"); // Another bot.
  }};
  auto said = far.next();
  later.join();
  CHECK(said.find("event: call") != std::string::npos);
  CHECK(said.find(R"("data":{"n":1}})") != std::string::npos);
  CHECK(said.find(R"({"n":2})") == std::string::npos);
  tell(0, 7, R"({"n":3})"); // While nobody asks: it is kept.
  CHECK(far.next().find(R"({"n":3})") != std::string::npos);
}

SCENARIO("who is answered that he watches a bot misses nothing from then on, though it is another "
         "node's") {
  kept->add_bot(7, 1);
  split(shard_count); // All bots are the first node's.
  auto far = watch(1, 7);
  REQUIRE_EQ(far.answer.status, 200);
  tell(0, 7, R"({"n":1})");
  CHECK(far.next().find(": events of bot 7") == 0);
  tell(0, 7, R"({"n":2})");
  auto said = far.next();
  CHECK(said.find(R"({"n":1})") != std::string::npos);
  CHECK(said.find(R"({"n":2})") != std::string::npos);
  CHECK(said.find("missed") == std::string::npos);
}

SCENARIO(
  "a watcher is answered though the node that has the bot is not, and sees what comes when it "
  "is") {
  kept->add_bot(7, 1);
  split(shard_count);
  deaf = true;
  auto far = watch(1, 7);
  CHECK_EQ(far.answer.status, 200);
  CHECK_EQ(far.next(), ": events of bot 7\n\n");
  CHECK_EQ(far.next(), ": nothing\n\n");
  deaf = false;
  std::thread later{[this] {
    for (auto until = std::chrono::steady_clock::now() + 10s; hubs[0]->known() == 0;) {
      if (std::chrono::steady_clock::now() > until)
        break;
      std::this_thread::yield();
    }
    tell(0, 7, R"({"n":1})");
  }};
  auto said = far.next();
  later.join();
  CHECK(said.find(R"({"n":1})") != std::string::npos);
}

SCENARIO("an answer of the other node that comes too late is marked: what it told is missing") {
  kept->add_bot(7, 1);
  split(shard_count);
  auto far = watch(1, 7);
  CHECK_EQ(far.next(), ": events of bot 7\n\n");
  tell(0, 7, R"({"n":1})");
  mute = true; // The answer is made, and does not arrive.
  CHECK_EQ(far.next(), ": nothing\n\n");
  mute = false;
  tell(0, 7, R"({"n":2})");
  auto said = far.next();
  auto mark = said.find("event: missed\ndata: {\"events\":null}\n\n");
  CHECK(mark != std::string::npos);
  CHECK(said.find(R"({"n":1})") == std::string::npos);
  CHECK(said.find(R"({"n":2})") > mark);
  tell(0, 7, R"({"n":3})");
  said = far.next();
  CHECK(said.find("missed") == std::string::npos); // Once.
  CHECK(said.find(R"({"n":3})") != std::string::npos);
}

SCENARIO("who watches from another node and does not take in time learns how many it missed") {
  kept->add_bot(7, 1);
  split(shard_count);
  auto far = watch(1, 7);
  CHECK_EQ(far.next(), ": events of bot 7\n\n");
  for (std::size_t i = 0; i < event_hub::most_kept + 25; ++i)
    tell(0, 7, R"({"n":1})");
  auto said = far.next();
  CHECK(said.starts_with("event: missed\ndata: {\"events\":25}\n\n"));
  std::size_t count = 0;
  for (auto at = said.find("event: call"); at != said.npos; at = said.find("event: call", at + 1))
    ++count;
  CHECK_EQ(count, event_hub::most_kept);
}

SCENARIO("what may have happened untold is marked, here and on other nodes") {
  kept->add_bot(7, 1);
  split(shard_count);
  auto here = watch(0, 7);
  auto far = watch(1, 7);
  CHECK_EQ(here.next(), ": events of bot 7\n\n");
  CHECK_EQ(far.next(), ": events of bot 7\n\n");
  hubs[0]->doubt();
  constexpr std::string_view mark = "event: missed\ndata: {\"events\":null}\n\n";
  CHECK_EQ(here.next(), mark);
  CHECK_EQ(far.next(), mark);
}

SCENARIO("a bot that moves while it is watched is watched where it is then") {
  kept->add_bot(7, 1);
  split(0); // All bots are the second node's.
  auto client = watch(1, 7);
  CHECK(client.next().find(": events of bot 7") == 0);
  tell(1, 7, R"({"n":1})");
  CHECK(client.next().find(R"({"n":1})") != std::string::npos);
  deaf = true; // Neither can be asked yet.
  split(shard_count);
  CHECK_EQ(client.next(), ": nothing\n\n");
  deaf = false;
  std::thread later{[this] {
    for (auto until = std::chrono::steady_clock::now() + 10s; hubs[0]->known() == 0;) {
      if (std::chrono::steady_clock::now() > until)
        break;
      std::this_thread::yield();
    }
    tell(0, 7, R"({"n":2})");
  }};
  auto said = client.next();
  later.join();
  CHECK(said.find(R"({"n":2})") != std::string::npos);
}

END_FIXTURE_SCOPE()

} // namespace troupe::peers_suite

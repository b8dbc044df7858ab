#define CAF_SUITE api.once
#include "messages/all_ids.hpp"
#include "messages/call.hpp"
#include "runtime/api/once.hpp"
#include "runtime/metrics/instruments.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::once_suite {

using namespace std::literals;
using api::once_answer;

namespace {

/// What store and registrar were asked, and how they answer.
struct script {
  std::optional<caf::typed_response_promise<idempotency_answer>> begins;
  std::optional<caf::typed_response_promise<method_answer>> called;
  std::vector<idempotency_end> ends;
  int refusals = 0; ///< So many ends are refused first.
};

struct fixture : test_coordinator_fixture<> {
  std::shared_ptr<script> said = std::make_shared<script>();
  caf::actor store = sys.spawn([said = said](caf::event_based_actor* self) -> caf::behavior {
    return {[=](const idempotency_begin&) -> caf::result<idempotency_answer> {
              said->begins = self->make_response_promise<idempotency_answer>();
              return *said->begins;
            },
            [=](const idempotency_answer& x) { said->begins->deliver(x); },
            [=](const idempotency_end& x) -> caf::result<done> {
              if (said->refusals-- > 0)
                return caf::make_error(store_refusal::unavailable);
              said->ends.push_back(x);
              return done{};
            }};
  });
  caf::actor registrar = sys.spawn([said = said](caf::event_based_actor* self) -> caf::behavior {
    return {[=](const method_call&) -> caf::result<method_answer> {
              said->called = self->make_response_promise<method_answer>();
              return *said->called;
            },
            [=](const method_answer& x) { said->called->deliver(x); },
            [=](const done&, const caf::error& why) { said->called->deliver(why); }};
  });
  boost::asio::io_context io;
  std::optional<api::question<once_answer>> asked;

  ~fixture() override {
    asked.reset();
    said->begins.reset();
    said->called.reset();
    for (auto& one : {store, registrar})
      caf::anon_send_exit(one, caf::exit_reason::kill);
    sched.run();
  }

  api::ports ports() {
    api::ports p;
    p.system = &sys;
    p.store = [this] { return caf::actor_cast<store_actor>(store); };
    p.registrar = [this] { return caf::actor_cast<registrar_actor>(registrar); };
    p.instruments = metrics::make(sys.metrics(), std::array<std::string_view, 1>{""});
    return p;
  }

  void ask() {
    api::context ctx{ports()};
    asked.emplace(api::ask_once(ctx, io.get_executor(), {1, 7, "k", "hash", 1s}, {0, 7, "sendDice"}));
    sched.run();
  }
  void start() {
    caf::anon_send(store, idempotency_answer{});
    sched.run();
  }
  void answer(std::uint16_t status) {
    caf::anon_send(registrar, method_answer{status, "application/json", R"({"n":1})"});
    sched.run();
  }
  void fail(caf::error why) {
    caf::anon_send(registrar, done{}, std::move(why));
    sched.run();
  }
  /// What the client has got by now.
  std::optional<caf::expected<once_answer>> got() {
    std::optional<caf::expected<once_answer>> result;
    io.restart();
    boost::asio::co_spawn(io.get_executor(), take(result), [](std::exception_ptr) {});
    io.poll();
    return result;
  }
  net::http_task<void> take(std::optional<caf::expected<once_answer>>& to) {
    co_await asked->ready();
    to = asked->take();
  }
  std::vector<idempotency_end_kind> endings() {
    std::vector<idempotency_end_kind> result;
    for (auto& x : said->ends)
      result.push_back(x.how);
    return result;
  }
  using kinds = std::vector<idempotency_end_kind>;
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a call with a key is answered when its answer is kept") {
  ask();
  start();
  answer(200);
  REQUIRE_EQ(said->ends.size(), 1u);
  CHECK_EQ(said->ends[0].answer.body, R"({"n":1})");
  CHECK_EQ(said->ends[0].answer.status, 200);
  auto told = got();
  REQUIRE(told && *told);
  CHECK((*told)->what == idempotency_what::started);
  CHECK_EQ((*told)->said.status, 200);
}

SCENARIO("a client that leaves while the store is asked has nothing sent, and its key is free") {
  ask();
  asked.reset();
  start();
  CHECK(!said->called);
  CHECK(endings() == kinds{idempotency_end_kind::forget});
}

SCENARIO("a client that leaves during the call has its answer kept all the same") {
  ask();
  start();
  asked.reset();
  answer(200);
  CHECK(endings() == kinds{idempotency_end_kind::finish});
}

SCENARIO("a call that takes too long is told to run, and goes on") {
  ask();
  start();
  advance_time(30s);
  sched.run();
  auto told = got();
  REQUIRE(told && *told);
  CHECK((*told)->what == idempotency_what::running);
  answer(200);
  CHECK(endings() == kinds{idempotency_end_kind::finish});
}

SCENARIO("an end that the store cannot take now is told again until it can") {
  said->refusals = 3;
  ask();
  start();
  answer(200);
  CHECK(said->ends.empty());
  CHECK_EQ(said->refusals, 2);
  for (auto pause : {100ms, 200ms, 400ms}) {
    advance_time(pause);
    sched.run();
  }
  CHECK(endings() == kinds{idempotency_end_kind::finish});
}

SCENARIO("nobody waits for long until a store can keep the answer") {
  said->refusals = 1000;
  ask();
  start();
  answer(200);
  advance_time(2s);
  sched.run();
  auto told = got();
  REQUIRE(told && *told);
  CHECK_EQ((*told)->said.status, 200);
  said->refusals = 0;
  advance_time(10s);
  sched.run();
  CHECK(endings() == kinds{idempotency_end_kind::finish});
}

SCENARIO("the ending follows from what is known of the call") {
  auto ended = [this](std::uint16_t status, caf::error why = {}) {
    said->ends.clear();
    ask();
    start();
    why ? fail(std::move(why)) : answer(status);
    auto told = got();
    REQUIRE(told && *told);
    CHECK_EQ((*told)->what == idempotency_what::outcome_unknown,
             endings() == kinds{idempotency_end_kind::lose});
    return endings();
  };
  CHECK(ended(400) == kinds{idempotency_end_kind::finish});
  CHECK(ended(502) == kinds{idempotency_end_kind::finish}); // The Bot API's own.
  CHECK(ended(429) == kinds{idempotency_end_kind::forget});
  CHECK(ended(0, ec::transport_failed) == kinds{idempotency_end_kind::lose});
  CHECK(ended(0, caf::make_error(ec::transport_failed, refusal{1s}))
        == kinds{idempotency_end_kind::forget});
  CHECK(ended(0, ec::breaker_open) == kinds{idempotency_end_kind::forget});
  CHECK(ended(0, store_refusal::outcome_unknown) == kinds{idempotency_end_kind::lose});
}

END_FIXTURE_SCOPE()

} // namespace troupe::once_suite

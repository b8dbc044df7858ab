#define CAF_SUITE bot_retries

#include "actors/bot/life_cycle.hpp"
#include "tests/actors/bot_fixture.hpp"

namespace troupe::bot_retries_suite {

using namespace std::literals;

BEGIN_FIXTURE_SCOPE(bot_tests::fixture)

SCENARIO("a read is tried again after a broken connection, with a pause that doubles") {
  ask(1, make_call(1, true));
  failed(1, broke(failure::broken));
  CHECK_EQ(got.count(1), 0u);
  advance(1500ms);
  REQUIRE_EQ(got.granted.count(1), 1u);
  CHECK_EQ(got.granted[1].attempt, 2u);
  failed(1, broke(failure::timeout));
  advance(900ms);
  CHECK_EQ(got.count(1), 0u);
  advance(2100ms);
  CHECK_EQ(got.granted[1].attempt, 3u);
}

SCENARIO("a send whose outcome is unknown is not repeated") {
  for (auto what : {failure::broken, failure::timeout, failure::half_answer}) {
    ask(1, make_call(1));
    failed(1, broke(what));
    REQUIRE_EQ(got.refused.count(1), 1u);
    CHECK_EQ(got.refused[1], ec::not_retried);
    got = {};
  }
  ask(2, make_call(2));
  failed(2, status(502));
  CHECK_EQ(got.refused[2], ec::not_retried);
  CHECK(s->open.empty());
}

SCENARIO("a send that certainly did not happen is repeated, three times at most") {
  ask(1, make_call(1));
  for (int attempt = 1; attempt <= 3; ++attempt) {
    failed(1, broke(failure::not_sent));
    advance(9s);
    REQUIRE_EQ(got.granted.count(1), 1u);
  }
  failed(1, broke(failure::not_sent));
  CHECK_EQ(got.refused[1], ec::not_retried);
  CHECK(s->open.empty());
}

SCENARIO("a streamed body is never sent twice") {
  auto c = make_call(1, true);
  c.replayable = false;
  ask(1, c);
  failed(1, broke(failure::not_sent));
  CHECK_EQ(got.refused[1], ec::not_retried);
}

SCENARIO("an answer about the token, or about the kind of request, is never repeated") {
  for (auto code : {401, 501}) {
    ask(1, make_call(1, true));
    failed(1, status(code));
    CHECK_EQ(got.refused[1], ec::not_retried);
    got.refused.clear();
  }
}

SCENARIO("a 429 is reported and waits for the governor, which knows how long") {
  auto c = make_call(1);
  c.chat = {42, false};
  ask(1, c);
  s->governor = bot_tests::script::mode::hold;
  auto how = status(429);
  how.retry_after = 3s;
  failed(1, how);
  REQUIRE_EQ(s->floods.size(), 1u);
  CHECK_EQ(s->floods[0].chat.key, 42);
  CHECK_EQ(s->floods[0].retry_after, 3s);
  CHECK_EQ(s->held.size(), 1u);
  WHEN("the governor cannot grant it in time") {
    refuse_held();
    THEN("the upstream's own 429 is passed on") {
      CHECK_EQ(got.refused[1], ec::not_retried);
    }
  }
}

SCENARIO("a 429 for a poll or a file, which pass no governor, is waited for by the bot") {
  for (auto kind : {call_kind::long_poll, call_kind::file}) {
    auto id = static_cast<call_id>(10 + static_cast<int>(kind));
    auto c = make_call(id);
    c.kind = kind;
    ask(id, c);
    REQUIRE_EQ(got.granted.count(id), 1u);
    auto before = got.granted[id].attempt;
    auto how = status(429);
    how.retry_after = 3s;
    failed(id, how);
    advance(2900ms);
    CHECK_EQ(got.granted[id].attempt, before);
    advance(200ms);
    CHECK_EQ(got.granted[id].attempt, before + 1);
  }
}

END_FIXTURE_SCOPE()

} // namespace troupe::bot_retries_suite

#define CAF_SUITE gateway_answers
#include "actors/gateway/answers.hpp"
#include "messages/store.hpp"
#include "runtime/registry/call_event.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <caf/sec.hpp>
#include <caf/test/bdd_dsl.hpp>

namespace troupe::gateway_answers_suite {

using namespace troupe::gateway;
using namespace std::literals;

namespace {

struct line {
  ec code;
  int status;
  long retry_after; ///< Without a refusal.
};

/// What clients rely on (contract.md, "Gateway").
constexpr line table[] = {
  {ec::unknown_bot, 401, 0},  {ec::unauthorized, 401, 0},     {ec::suspended, 403, 0},
  {ec::quarantined, 503, 60}, {ec::queue_full, 429, 1},       {ec::budget_wait_too_long, 429, 1},
  {ec::breaker_open, 503, 1}, {ec::upstream_open, 503, 1},    {ec::no_session, 503, 1},
  {ec::draining, 503, 1},     {ec::deadline_passed, 429, 1},  {ec::not_retried, 503, 1},
  {ec::cancelled, 503, 1},    {ec::transport_failed, 503, 1}, {ec::restart_budget_exceeded, 503, 1},
  {ec::bad_config, 503, 1},   {ec::stopped, 503, 1},          {ec::too_many_bots, 503, 5},
  {ec::journal_full, 503, 5}, {ec::pull_conflict, 409, 0},    {ec::not_pulled, 409, 0},
  {ec::passivated, 503, 1},
};
static_assert(std::size(table) == ec_names.size() - 1, "every error but none has a line");

/// Checks that `text` is what every client library takes for an error of the Bot API.
void check_shape(const refusal_text& text, int status, long retry_after) {
  CHECK_EQ(text.status, status);
  CHECK_EQ(text.retry_after, retry_after);
  auto body = boost::json::parse(text.body);
  CHECK_EQ(body.at("ok").as_bool(), false);
  CHECK_EQ(body.at("error_code").as_int64(), status);
  CHECK(!body.at("description").as_string().empty());
  auto* parameters = body.as_object().if_contains("parameters");
  CHECK_EQ(parameters != nullptr, retry_after > 0);
  if (parameters)
    CHECK_EQ(parameters->at("retry_after").as_int64(), retry_after);
  if (status == 429)
    CHECK_EQ(std::string{body.at("description").as_string().c_str()},
             "Too Many Requests: retry after " + std::to_string(retry_after));
}

} // namespace

SCENARIO("every error has a status, a wait and the Bot API's shape") {
  std::size_t index = 0;
  for (const auto& x : table) {
    CAF_MESSAGE(to_string(x.code));
    CHECK_EQ(static_cast<std::size_t>(x.code), ++index);
    check_shape(explain(caf::make_error(x.code)), x.status, x.retry_after);
    CHECK_EQ(refusal_label(caf::make_error(x.code)), ec_names[index]);
  }
}

SCENARIO("a bot whose owner is not proven is not called suspended") {
  auto why = caf::make_error(store_refusal::not_verified);
  check_shape(explain(why), 403, 0);
  auto words = explain(why).body;
  CHECK(words.find("not proven") != std::string::npos);
  CHECK(words.find("suspended") == std::string::npos);
  CHECK_EQ(refusal_label(why), "not_verified"sv);
}

SCENARIO("a refusal's own wait goes before the usual one, rounded up") {
  auto with = [](ec code, caf::timespan wait) {
    return explain(caf::make_error(code, refusal{wait}));
  };
  check_shape(with(ec::breaker_open, 42s), 503, 42);
  check_shape(with(ec::budget_wait_too_long, 1'200ms), 429, 2);
  check_shape(with(ec::queue_full, 1ms), 429, 1);
  check_shape(with(ec::queue_full, caf::timespan{1}), 429, 1);
  check_shape(with(ec::deadline_passed, 0s), 429, 1);
  check_shape(with(ec::upstream_open, -5s), 503, 1);
  check_shape(with(ec::quarantined, 3600s), 503, 3600);
}

SCENARIO("errors of the actor system mean that something restarts") {
  for (auto code : {caf::sec::request_receiver_down, caf::sec::broken_promise,
                    caf::sec::runtime_error, caf::sec::unexpected_message}) {
    check_shape(explain(caf::make_error(code)), 503, 1);
    CHECK_EQ(refusal_label(caf::make_error(code)), "restarting"sv);
  }
}

SCENARIO("an exchange without an answer is a 502 or a 504") {
  check_shape(explain(failure::timeout), 504, 1);
  check_shape(explain(failure::not_sent), 502, 1);
  check_shape(explain(failure::broken), 502, 1);
  check_shape(explain(failure::aborted), 502, 1);
  check_shape(explain(failure::half_answer), 502, 1);
  check_shape(explain(404, "Not Found"), 404, 0);
  check_shape(explain(400, "Bad Request: a \"quoted\"\nword"), 400, 0);
}

SCENARIO("an answer is a whole HTTP response") {
  CHECK_EQ(make_answer(200, "{}", true),
           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
           "X-Troupe-Attempts: 0\r\nX-Troupe-Waited: 0.000\r\n\r\n{}"s);
  CHECK_EQ(make_answer(429, "{ }", false, 7, {2, 1'234'567'890ns}),
           "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
           "Content-Length: 3\r\nRetry-After: 7\r\nConnection: close\r\n"
           "X-Troupe-Attempts: 2\r\nX-Troupe-Waited: 1.234\r\n\r\n{ }"s);
}

SCENARIO("the time waited is written in seconds with three places") {
  auto waited = [](caf::timespan time) {
    std::string out;
    append_fields(out, {1, time});
    return out.substr(out.find("Waited: ") + 8);
  };
  CHECK_EQ(waited(0s), "0.000\r\n"s);
  CHECK_EQ(waited(999us), "0.000\r\n"s);
  CHECK_EQ(waited(7ms), "0.007\r\n"s);
  CHECK_EQ(waited(70ms), "0.070\r\n"s);
  CHECK_EQ(waited(700ms), "0.700\r\n"s);
  CHECK_EQ(waited(61'010ms), "61.010\r\n"s);
  CHECK_EQ(waited(-5s), "0.000\r\n"s);
}

SCENARIO("outcomes have few names") {
  auto label = [](failure what, std::uint16_t status) {
    return outcome_label(outcome{what, status, {}, {}, false});
  };
  CHECK_EQ(label(failure::none, 200), "ok"sv);
  CHECK_EQ(label(failure::none, 304), "ok"sv);
  CHECK_EQ(label(failure::none, 400), "client_error"sv);
  CHECK_EQ(label(failure::none, 429), "rate_limited"sv);
  CHECK_EQ(label(failure::none, 502), "server_error"sv);
  CHECK_EQ(label(failure::timeout, 0), "timeout"sv);
  CHECK_EQ(label(failure::half_answer, 200), "half_answer"sv);
}

} // namespace troupe::gateway_answers_suite

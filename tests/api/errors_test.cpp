#define CAF_SUITE api.errors
#include "runtime/api/errors.hpp"

#include "messages/call.hpp"
#include "messages/store.hpp"
#include "runtime/api/refused.hpp"
#include "runtime/log/mask.hpp"

#include <caf/sec.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <boost/json/parse.hpp>

#include <map>

namespace troupe::errors_suite {

using namespace std::literals;

namespace {

bool is_code(std::string_view text) {
  return !text.empty()
         && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos;
}

bool is_sentence(std::string_view text) {
  auto begins = (text.front() >= 'A' && text.front() <= 'Z') || text.front() == '`';
  return begins && text.back() == '.' && text.size() <= 160;
}

/// Words that mean something to the authors of the program and to nobody else.
bool is_internal(std::string_view text) {
  for (auto word : {"::", "caf", "sec", "actor", "promise", "exception", "SQL", "errno", "null",
                    "0x", "  "})
    if (text.find(word) != std::string_view::npos && text.find("seconds") == std::string_view::npos)
      return true;
  return false;
}

} // namespace

SCENARIO("every error has a stable code, a status, a sentence and an advice for people") {
  std::map<std::string_view, int> status_of;
  std::size_t rows = 0;
  for (auto part : {api::api_error_texts(), api::ec_texts(), api::store_texts()})
    for (auto& one : part) {
      ++rows;
      CHECK(is_code(one.code));
      CHECK(one.status >= 400 && one.status <= 599);
      CHECK(is_sentence(one.sentence));
      CHECK(is_sentence(one.advice));
      CHECK(!is_internal(one.sentence));
      CHECK(!is_internal(one.advice));
      CHECK(!log::holds_token(one.sentence));
      auto [known, first] = status_of.emplace(one.code, one.status);
      if (!first)
        CHECK_EQ(known->second, one.status);
    }
  CHECK_EQ(rows, api::api_error_count + ec_names.size() + store_refusal_names.size());
}

SCENARIO("every enumerator leads to its row") {
  CHECK_EQ(api::text_of(api::api_error::bad_request).code, "bad_request");
  CHECK_EQ(api::text_of(api::api_error::forbidden).code, "forbidden");
  CHECK_EQ(api::text_of(api::api_error::unknown_tenant).code, "unknown_tenant");
  CHECK_EQ(api::text_of(api::api_error::change_unknown).code, "change_unknown");
  CHECK_EQ(api::text_of(api::api_error::no_store).code, "no_store");
  CHECK_EQ(api::text_of(api::api_error::internal).code, "internal");
  // Where the public code differs from the internal name, and is not one of the general ones.
  const std::map<std::string_view, std::string_view> renamed{
    {"unauthorized", "bot_unauthorized"},   {"suspended", "bot_suspended"},
    {"quarantined", "bot_quarantined"},     {"transport_failed", "upstream_unreachable"},
    {"bad_config", "misconfigured"},        {"too_many", "bot_limit"},
    {"invalid", "invalid_value"},           {"disk_full", "storage_full"},
    {"outcome_unknown", "change_unknown"},  {"failed", "store_failed"},
    {"not_verified", "bot_not_verified"},   {"none", "internal"},
    {"fenced", "service_unavailable"},      {"stopped", "service_unavailable"},     {"unavailable", "service_unavailable"},
    {"restart_budget_exceeded", "service_unavailable"},
    {"passivated", "bot_passive"}};
  auto expected = [&](std::string_view name) {
    auto found = renamed.find(name);
    return found == renamed.end() ? name : found->second;
  };
  for (std::uint8_t i = 0; i < ec_names.size(); ++i)
    CHECK_EQ(api::text_of(static_cast<ec>(i)).code, expected(ec_names[i]));
  for (std::uint8_t i = 0; i < store_refusal_names.size(); ++i)
    CHECK_EQ(api::text_of(static_cast<store_refusal>(i)).code, expected(store_refusal_names[i]));
}

SCENARIO("what an actor answered reads as one of the table's rows, and nothing of it leaks") {
  auto silent = {caf::sec::request_timeout, caf::sec::request_receiver_down,
                 caf::sec::broken_promise, caf::sec::runtime_error};
  for (auto code : silent) {
    auto why = caf::make_error(code, "at 0x7f00 in frobnicate()");
    CHECK(api::is_silence(why));
    CHECK_EQ(api::text_of(why).code, "service_unavailable");
  }
  CHECK_EQ(api::text_of(caf::make_error(ec::queue_full)).status, 429);
  CHECK_EQ(api::text_of(caf::make_error(store_refusal::duplicate)).status, 409);
  CHECK_EQ(api::text_of(caf::make_error(caf::sec::invalid_argument)).code, "service_unavailable");
  CHECK_EQ(api::text_of(caf::make_error(caf::sec::unexpected_message)).code, "internal");
  auto told = api::problem(api::refused_by(caf::make_error(caf::sec::bad_function_call, "secret")),
                           "r-1");
  CHECK_EQ(told.status, 500);
  CHECK(told.body.find("secret") == std::string::npos);
}

SCENARIO("errors that pass say when to come back") {
  auto wait = refusal{1500ms};
  CHECK_EQ(api::refused_by(caf::make_error(ec::queue_full, wait)).headers, "Retry-After: 2\r\n");
  CHECK_EQ(api::refused_by(caf::make_error(ec::draining)).headers, "Retry-After: 1\r\n");
  CHECK_EQ(api::refused_by(caf::make_error(store_refusal::duplicate)).headers, "");
  CHECK_EQ(api::retry_after(0ns), "Retry-After: 1\r\n");
  CHECK_EQ(api::retry_after(60s), "Retry-After: 60\r\n");
}

SCENARIO("a problem document has all that RFC 9457 names, and what to do") {
  api::refused why{api::api_error::invalid_field, "limits.rps must be a number.", "limits.rps"};
  auto body = boost::json::parse(api::problem(why, "r-1").body).as_object();
  CHECK_EQ(body.at("type").as_string(), "about:blank");
  CHECK_EQ(body.at("title").as_string(), "Bad Request");
  CHECK_EQ(body.at("status").as_int64(), 400);
  CHECK_EQ(body.at("detail").as_string(), "limits.rps must be a number.");
  CHECK_EQ(body.at("code").as_string(), "invalid_field");
  CHECK_EQ(body.at("field").as_string(), "limits.rps");
  CHECK_EQ(body.at("request_id").as_string(), "r-1");
  CHECK(!body.at("advice").as_string().empty());
  CHECK(!boost::json::parse(api::problem(api::text_of(ec::unknown_bot), "r").body)
           .as_object()
           .contains("field"));
}

} // namespace troupe::errors_suite

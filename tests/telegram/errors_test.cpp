#define CAF_SUITE telegram_errors
#include "runtime/telegram/errors.hpp"

#include "runtime/telegram/updates.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::errors_suite {

using namespace troupe::telegram;
using namespace std::literals;

SCENARIO("errors read as the official server writes them") {
  CHECK_EQ(to_json(too_many_requests(5s)),
           R"({"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5",)"
           R"("parameters":{"retry_after":5}})"s);
  CHECK_EQ(to_json(unauthorized()),
           R"({"ok":false,"error_code":401,"description":"Unauthorized"})"s);
  CHECK_EQ(to_json({.code = 400, .description = "a \"b\"\n\x01", .migrate_to_chat_id = -100}),
           R"({"ok":false,"error_code":400,"description":"a \"b\"\n\u0001",)"
           R"("parameters":{"migrate_to_chat_id":-100}})"s);
}

SCENARIO("a wait is found in a body and in a header") {
  CHECK_EQ(retry_after_of_body(to_json(too_many_requests(7200s))), 7200s);
  CHECK_EQ(retry_after_of_body(R"({"parameters":{"retry_after":1.2}})"), 2s);
  CHECK_EQ(retry_after_of_body(R"({"parameters":{"retry_after":1e300}})"), longest_retry_after);
  CHECK(!retry_after_of_body(R"({"parameters":{"retry_after":-1}})"));
  CHECK(!retry_after_of_body(R"({"parameters":{"retry_after":"5"}})"));
  CHECK(!retry_after_of_body(R"({"parameters":[]})"));
  CHECK(!retry_after_of_body("<html>"));
  CHECK(!retry_after_of_body(""));
  CHECK_EQ(retry_after_of_header(" 12 "), 12s);
  CHECK_EQ(retry_after_of_header("99999999999999999999999"), longest_retry_after);
  CHECK(!retry_after_of_header("Fri, 31 Dec 1999 23:59:59 GMT"));
  CHECK(!retry_after_of_header(""));
  CHECK(!retry_after_of_header("-1"));
}

SCENARIO("update kinds have the lifetimes and queues of the official server") {
  auto kind = [](std::string_view name) { return update_kinds()[find_update_kind(name)]; };
  CHECK_EQ(kind("inline_query").lifetime, 30s);
  CHECK_EQ(kind("callback_query").lifetime, 150s);
  CHECK_EQ(kind("message").lifetime, 86400s);
  CHECK(kind("message").queue == queue_key_kind::chat);
  CHECK(kind("callback_query").queue == queue_key_kind::user);
  CHECK(kind("poll_answer").queue == queue_key_kind::poll);
  CHECK(!kind("chat_member").by_default);
  CHECK(kind("my_chat_member").by_default);
  CHECK(kind("shipping_query").urgent());
  CHECK(!kind("poll").urgent());
  CHECK_EQ(find_update_kind("Message"), unknown_update_kind);
}

} // namespace troupe::errors_suite

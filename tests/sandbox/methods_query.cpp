// Answers to callback and inline queries, shipping and checkout.
#include "tests/sandbox/call.hpp"

#include <boost/json/parse.hpp>

namespace troupe::sandbox {

namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr std::size_t longest_notification = 200; // As documented.

constexpr std::string_view too_old =
  "query is too old and response timeout expired or query ID is invalid";

void answer_callback(const call& c) {
  auto text = c.args.text("text");
  if (text.size() > 4 * longest_notification)
    return c.bad_request("MESSAGE_TOO_LONG");
  std::string answer;
  for (auto name : {"text", "url"})
    if (auto value = c.args.text(name); !value.empty()) {
      answer += ",\"" + std::string{name} + "\":";
      telegram::append_json_string(answer, value);
    }
  if (c.args.flag("show_alert"))
    answer += R"(,"show_alert":true)";
  if (c.w.answer_query(c.args.text("callback_query_id"), c.b->id, 150s, std::move(answer)))
    c.ok("true");
  else
    c.bad_request(too_old);
}

void answer_inline(const call& c) {
  auto text = c.args.text("results");
  boost::system::error_code error;
  auto results = json::parse({text.data(), text.size()}, error);
  if (error || !results.is_array())
    return c.bad_request("can't parse inline query results JSON object");
  if (results.get_array().size() > 50)
    return c.bad_request("RESULTS_TOO_MUCH");
  if (c.w.answer_query(c.args.text("inline_query_id"), c.b->id, 30s,
                       R"(,"results":)" + std::string{text}))
    c.ok("true");
  else
    c.bad_request(too_old);
}

void answer_payment(const call& c) {
  auto name = c.args.find("shipping_query_id") ? "shipping_query_id" : "pre_checkout_query_id";
  auto good = c.args.flag("ok");
  if (!good && c.args.text("error_message").empty())
    return c.bad_request("error message must be non-empty");
  // Such queries are made by POST /sandbox/updates with an id of its author's choice.
  if (c.args.text(name).empty())
    return c.bad_request(too_old);
  c.ok("true");
}

constexpr method_entry query_table[]{
  {"answerCallbackQuery", answer_callback},
  {"answerInlineQuery", answer_inline},
  {"answerShippingQuery", answer_payment},
  {"answerPreCheckoutQuery", answer_payment},
};

} // namespace

std::span<const method_entry> query_methods() {
  return query_table;
}

} // namespace troupe::sandbox

#include "runtime/api/refused.hpp"

#include "messages/call.hpp"

namespace troupe::api {

using namespace std::chrono_literals;

std::string retry_after(std::chrono::nanoseconds wait) {
  auto seconds = std::max(std::chrono::ceil<std::chrono::seconds>(wait), 1s);
  return "Retry-After: " + std::to_string(seconds.count()) + "\r\n";
}

refused refused_by(const caf::error& why) {
  refused result{text_of(why)};
  std::chrono::nanoseconds wait{0};
  if (auto context = why.context(); context.match_elements<refusal>())
    wait = context.get_as<refusal>(0).retry_after;
  if (wait.count() > 0 || result.text->status == 503 || result.text->status == 429)
    result.headers = retry_after(wait);
  return result;
}

response problem(const refused& why, std::string_view request_id) {
  auto answer = problem(*why.text, request_id, why.detail, why.field);
  answer.headers = why.headers;
  return answer;
}

} // namespace troupe::api

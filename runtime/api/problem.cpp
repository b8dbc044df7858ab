#include "runtime/api/problem.hpp"
#include "runtime/log/mask.hpp"
#include "runtime/net/http_server.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <random>

namespace troupe::api {
namespace {

std::string new_request_id() {
  // Unique over restarts by its first part, within the process by its second.
  static const auto run = std::random_device{}();
  static std::atomic<std::uint32_t> last{0};
  return fmt::format("{:08x}{:08x}", run, ++last);
}

bool fit(std::string_view id) {
  auto allowed = [](char c) { return log::detail::is_token_char(c) || c == '.'; };
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), allowed);
}

} // namespace

response problem(const error_text& what, std::string_view request_id, std::string_view detail,
                 std::string_view field) {
  boost::json::object body{{"type", "about:blank"},
                           {"title", net::http_reason(what.status)},
                           {"status", what.status},
                           {"detail", detail.empty() ? what.sentence : detail},
                           {"advice", what.advice},
                           {"code", what.code},
                           {"request_id", request_id}};
  if (!field.empty())
    body["field"] = field;
  response answer;
  answer.status = what.status;
  answer.content_type = "application/problem+json";
  answer.body = boost::json::serialize(body);
  return answer;
}

std::string request_id_from(std::string_view header) {
  return fit(header) ? std::string{header} : new_request_id();
}

} // namespace troupe::api

// A bot's settings and its rules, as the API takes them and files hold them: only sentences that
// name a member come out of bad ones, and whatever update comes, what rules ask for is bounded.
#include "runtime/relay/address_guard.hpp"
#include "runtime/relay/url.hpp"
#include "runtime/rules/evaluate.hpp"
#include "runtime/updates/settings.hpp"
#include "tests/fuzz/check.hpp"

#include <boost/json.hpp>

using namespace troupe;
namespace json = boost::json;

namespace {

void check_url(std::string_view text) {
  auto parsed = relay::parse_url(text);
  auto* where = std::get_if<relay::url>(&parsed);
  if (where == nullptr)
    return;
  HOLDS(where->path.starts_with('/'));
  HOLDS(where->path.find_first_of(" \r\n#") == std::string::npos);
  HOLDS(where->shown().find('@') == std::string::npos);
  auto again = relay::parse_url(where->shown() + where->path);
  HOLDS(std::holds_alternative<relay::url>(again));
  HOLDS(std::get<relay::url>(again).where == where->where);
  HOLDS(std::get<relay::url>(again).path == where->path);
}

void check_relay(const updates::relay_settings& x) {
  HOLDS(x.max_connections >= 1 && x.max_connections <= 100);
  HOLDS(x.attempts <= 1000);
  HOLDS(x.timeout.count() >= 0 && x.timeout <= std::chrono::minutes{10});
  if (x.url.empty())
    return;
  HOLDS(x.url.find('@') == std::string::npos || x.url.find('@') > x.url.find_first_of("/?", 8));
  check_url(x.url);
}

void check_settings(std::string_view text) {
  updates::update_settings x;
  try {
    x = updates::read_settings(text);
  } catch (const updates::bad_settings& why) {
    HOLDS(std::string_view{why.what()}.find(": ") != std::string_view::npos);
    return;
  }
  HOLDS(x.intake.max_connections >= 1 && x.intake.max_connections <= 100);
  check_relay(x.delivery.relay);
  auto shown = updates::shown_settings(text);
  auto& secret = x.delivery.relay.secret_token;
  if (secret.size() >= 20 && text.find(secret) == text.rfind(secret))
    HOLDS(shown.find(secret) == std::string::npos);
  // What the node notes for itself changes nothing else, and can be taken back.
  auto noted = updates::with_webhook_before(text, R"({"url":"https://a.example/"})");
  HOLDS(updates::webhook_before(noted) == R"({"url":"https://a.example/"})");
  auto second = updates::read_settings(noted);
  HOLDS(updates::is_default(second) == updates::is_default(x));
  HOLDS(second.delivery.relay.url == x.delivery.relay.url
        && second.delivery.mode == x.delivery.mode && second.intake.mode == x.intake.mode);
  HOLDS(updates::webhook_before(updates::with_webhook_before(noted, "")).empty());
}

void check_rules(std::string_view text, std::string_view update) {
  std::shared_ptr<const rules::program> program;
  try {
    program = rules::parse_text(text);
  } catch (const rules::bad_rules& why) {
    HOLDS(*why.what() != '\0');
    return;
  }
  HOLDS(program && program->rules.size() <= rules::max_rules);
  rules::user_rate rate;
  for (int i = 0; i < 3; ++i)
    for (const auto& one : rules::evaluate(*program, update, {"shop_bot", {}, 1}, rate)) {
      HOLDS(!one.method.empty());
      boost::system::error_code ec;
      auto body = json::parse(one.body, ec);
      HOLDS(!ec && body.is_object());
      if (auto* reply = body.get_object().if_contains("text"))
        HOLDS(reply->is_string() && !reply->get_string().empty()
              && reply->get_string().size() <= 4 * rules::max_reply);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::parts input{data, size};
  auto settings = input.next();
  auto rules = input.next();
  check_settings(settings);
  check_url(settings);
  check_rules(rules, input.rest());
  return 0;
}

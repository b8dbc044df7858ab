// Requests to the control API and to the webhook listener: one path has one route, a body that is
// accepted fits its description, and a refusal tells nothing of a token that it was given.
#include "runtime/api/client_address.hpp"
#include "runtime/api/router.hpp"
#include "runtime/net/http_server_parser.hpp"
#include "runtime/webhook/path.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/fuzz/feed.hpp"

#include <troupe_api_paths.inc> // The paths that runtime/api/routes serves.

#include <boost/json.hpp>

#include <array>

using namespace troupe;

namespace {

// One field of each shape.
constexpr std::array<std::string_view, 2> words{"red", "green"};
constexpr std::array inner{
  api::field{"rps", api::shape::integer, 0, 1000, ""},
  api::field{"name", api::shape::text, 1, 20, ""},
};
constexpr std::array body_fields{
  api::field{"token", api::shape::text, 40, 80, "", true},
  api::field{"name", api::shape::text, 1, 100, ""},
  api::field{"colour", api::shape::text, 0, 0, "", false, words},
  api::field{"count", api::shape::integer, -5, 5, ""},
  api::field{"force", api::shape::boolean, 0, 0, ""},
  api::field{"ids", api::shape::ids, 1, 3, ""},
  api::field{"methods", api::shape::texts, 0, 2, ""},
  api::field{"limits", api::shape::object, 0, 0, "", false, {}, inner},
  api::field{"updates", api::shape::any, 0, 0, ""},
};
constexpr std::array query_fields{
  api::field{"status", api::shape::text, 0, 0, "", false, words},
  api::field{"cursor", api::shape::text, 1, 40, ""},
  api::field{"limit", api::shape::integer, 1, 1000, ""},
};

struct reading {
  net::http_message message;
  net::http_request_parser parser{message};
  boost::beast::error_code ec;
};

void read(reading& x, std::string_view text, std::size_t step) {
  x.parser.header_limit(16 * 1024);
  x.parser.body_limit(1024 * 1024);
  x.parser.eager(true);
  x.ec = fuzz::feed(x.parser, text, step, [&x] { return x.parser.is_done(); });
}

/// The same, said in the plainest way: segment by segment.
bool matches_simply(std::string_view pattern, std::string_view path) {
  auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
           || c == '-';
  };
  std::size_t i = 0;
  for (std::size_t p = 0; p < pattern.size(); ++p) {
    if (pattern[p] == '{') {
      auto begin = i;
      while (i < path.size() && is_word(path[i]))
        ++i;
      if (i == begin)
        return false;
      p = pattern.find('}', p);
    } else if (i == path.size() || path[i++] != pattern[p]) {
      return false;
    }
  }
  return i == path.size();
}

void check_complaint(const api::complaint& why) {
  HOLDS(!fuzz::tells(why.sentence) && !fuzz::tells(why.where));
  HOLDS(why.where.size() < 300 && why.sentence.size() < 600);
}

void check_query(std::string_view query) {
  auto got = api::read_query(query, query_fields);
  if (auto* why = std::get_if<api::complaint>(&got))
    return check_complaint(*why);
  const auto& all = std::get<api::parameters>(got);
  if (auto limit = all.text("limit"))
    HOLDS(all.number("limit") && *all.number("limit") >= 1 && *all.number("limit") <= 1000);
  if (auto status = all.text("status"))
    HOLDS(*status == "red" || *status == "green");
  if (auto cursor = all.text("cursor"))
    HOLDS(cursor->size() >= 1 && cursor->size() <= 40);
}

void check_body(std::string_view body) {
  auto any = api::read_object(body);
  auto got = api::read_body(body, body_fields);
  if (auto* why = std::get_if<api::complaint>(&got))
    return check_complaint(*why);
  HOLDS(std::holds_alternative<boost::json::object>(any));
  const auto& object = std::get<boost::json::object>(got);
  HOLDS(object == std::get<boost::json::object>(any));
  HOLDS(object.at("token").as_string().size() >= 40);
  if (auto* count = object.if_contains("count"))
    HOLDS(count->as_int64() >= -5 && count->as_int64() <= 5);
  if (auto* ids = object.if_contains("ids"))
    for (const auto& one : ids->as_array())
      HOLDS(one.as_int64() > 0);
  // Written again it is read again.
  auto again = api::read_body(boost::json::serialize(object), body_fields);
  HOLDS(std::holds_alternative<boost::json::object>(again)
        && std::get<boost::json::object>(again) == object);
}

void check_path(std::string_view method, std::string_view path) {
  std::size_t fitting = 0;
  auto found = api::find_route(method, path);
  for (const auto& one : api_paths) {
    api::path_arguments arguments;
    bool fits = api::matches(one.path, path, arguments);
    HOLDS(fits == matches_simply(one.path, path));
    HOLDS(!fits || found.where || found.allowed.find(one.method) != std::string::npos);
    if (fits && (one.method == method || (method == "HEAD" && one.method == "GET"))) {
      ++fitting;
      HOLDS(found.where && found.where->path == one.path && found.where->method == one.method);
    }
    if (fits && one.path.find("{id}") != std::string_view::npos) {
      auto text = arguments.text("id");
      HOLDS(!text.empty() && path.find(text) != std::string_view::npos);
      if (auto id = arguments.number("id"); id != 0)
        HOLDS(id > 0 && std::to_string(id) == text);
    }
  }
  HOLDS(fitting <= 1);
  for (std::string_view prefix : {"", "/telegram"})
    if (auto bot = webhook::bot_in(path, prefix)) {
      auto url = webhook::url_of("https://bots.example" + std::string{prefix} + "/", *bot);
      HOLDS(*bot > 0 && url.ends_with("/webhook/" + std::to_string(*bot)));
      HOLDS(path.ends_with("/webhook/" + std::to_string(*bot)));
      HOLDS(webhook::bot_in(std::string_view{url}.substr(20), prefix) == bot);
    }
}

/// Who is named by a header is believed only behind a trusted proxy.
void check_address(std::string_view forwarded) {
  auto trusted = *config::parse_networks("10.0.0.0/8, ::1");
  HOLDS(api::client_address("192.0.2.7", forwarded, trusted) == "192.0.2.7");
  auto client = api::client_address("10.1.2.3", forwarded, trusted);
  auto parsed = config::network::parse(client);
  HOLDS(parsed && parsed->address() == client);
  auto group = api::client_group(client);
  HOLDS(parsed->is_ipv4() ? group == client : group.ends_with("/64"));
}

void check_request(std::string_view text) {
  reading whole;
  read(whole, text, text.size() + 1);
  reading pieces;
  read(pieces, text, text.size() % 5 + 2); // Not by single bytes: README.md.
  HOLDS(whole.parser.is_done() == pieces.parser.is_done());
  if (!whole.parser.is_done())
    return;
  auto& x = whole.message;
  auto& y = pieces.message;
  HOLDS(x.method == y.method && x.target == y.target && x.body == y.body);
  HOLDS(x.headers.size() == y.headers.size());
  for (std::size_t i = 0; i < x.headers.size(); ++i) {
    HOLDS(x.headers[i].name == y.headers[i].name && x.headers[i].value == y.headers[i].value);
    if (x.headers[i].name == "X-Forwarded-For")
      check_address(x.headers[i].value);
  }
  auto mark = std::min(x.target.find('?'), x.target.size());
  check_path(x.method, x.target.substr(0, mark));
  check_query(x.target.substr(std::min(mark + 1, x.target.size())));
  if (x.encoded) {
    std::string opened;
    if (net::http_inflate(x.body, 64 * 1024, opened)) {
      HOLDS(opened.size() <= 64 * 1024);
      check_body(opened);
    }
  }
  check_body(x.body);
}

} // namespace

// In the place of the API's own table, which leads to its coroutines.
std::span<const api::route> api::routes() {
  static const auto all = [] {
    std::vector<api::route> result;
    for (const auto& one : api_paths)
      result.push_back({one.method, one.path, one.path, ""});
    return result;
  }();
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (!fuzz::whole_tokens_only({reinterpret_cast<const char*>(data), size}))
    return 0;
  fuzz::parts input{data, size};
  auto query = input.next();
  check_query(query);
  check_path("GET", query);
  check_address(query);
  auto hint = api::shown(query);
  HOLDS(hint.size() <= 100 && !fuzz::tells(hint));
  check_body(input.next());
  check_request(input.rest());
  return 0;
}

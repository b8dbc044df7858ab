#include "runtime/api/ctl_line.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <filesystem>
#include <fstream>
#include <thread>

// Asking a node, and the commands that show what its services report.
namespace troupe::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::seconds backup_patience{60};
constexpr std::chrono::seconds longest_wait{60};
constexpr const char* default_url = "http://127.0.0.1:8080";

std::string url_of(const ctl_call& from) {
  if (auto url = from.option("url"); !url.empty())
    return url;
  auto url = from.world.variable("TROUPE_URL");
  return url.empty() ? default_url : url;
}

std::string first_line_of(const fs::path& path) {
  std::ifstream in{path};
  std::string line;
  if (!std::getline(in, line))
    throw std::runtime_error{"cannot read a key from " + path.string()};
  return line;
}

/// The key to ask with: --key-file, TROUPE_KEY, or the first operator's in the data directory,
/// which goes to this machine alone.
std::string key_of(const ctl_call& from, std::string_view url) {
  if (auto file = from.option("key-file"); !file.empty())
    return first_line_of(file);
  if (auto key = from.world.variable("TROUPE_KEY"); !key.empty())
    return key;
  if (!is_loopback(url))
    return {};
  auto dir = from.option("data-dir");
  auto file = fs::path{dir.empty() ? "troupe-data" : dir} / "operator.key";
  std::error_code ignored;
  if (dir.empty() && !fs::exists(file, ignored))
    return {};
  return first_line_of(file);
}

std::string member_text(const json::object& from, std::string_view name) {
  auto* found = from.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

std::runtime_error not_ours() {
  return std::runtime_error{"the answer is not one of a Troupe node of this version"};
}

// -- reports --------------------------------------------------------------------------------------

int report(const ctl_call& from, std::string path,
           void (*print)(const printer&, const json::object&)) {
  if (from.has("limit"))
    path += "?limit=" + std::to_string(from.number("limit"));
  auto answer = ask_node(from, "GET", path);
  if (shown_as_json(from, answer))
    return 0;
  try {
    print(from.to(), answer.as_object());
  } catch (const std::exception&) {
    throw not_ours();
  }
  return 0;
}

/// What a container's health check asks.
int tell_ready(const ctl_call& from) {
  auto answer = ask_node(from, "GET", "/readyz");
  if (!shown_as_json(from, answer))
    from.world.out << "ready\n";
  return 0;
}

constexpr command node_command_table[] = {
  {"ready", "", "", "whether the node takes work; exit status 1 if not", tell_ready},
  {"health", "", "limit=", "how well the upstream and the bots do",
   [](const ctl_call& from) { return report(from, "/v1/health", print_health); }},
  {"tree", "", "limit=", "the supervision tree",
   [](const ctl_call& from) { return report(from, "/v1/supervision", print_tree); }},
  {"sessions", "", "limit=", "the connections to the upstream and who leases them",
   [](const ctl_call& from) { return report(from, "/v1/sessions", print_sessions); }},
  {"budgets", "", "limit=", "how much of the request budgets is used",
   [](const ctl_call& from) { return report(from, "/v1/budgets", print_budgets); }},
};

} // namespace

std::string reason(const fetched& answer) {
  boost::system::error_code failed;
  auto body = json::parse(answer.body, failed);
  if (!failed && body.is_object()) {
    auto& all = body.get_object();
    // The Bot API calls it description.
    auto detail = member_text(all, "detail") + member_text(all, "description");
    auto advice = member_text(all, "advice");
    if (!detail.empty())
      return advice.empty() ? detail : detail + ' ' + advice;
  }
  return "the node answered with status " + std::to_string(answer.status);
}

fetched reach_node(const ctl_call& from, std::string_view method, const std::string& path,
                   const json::object* body, const std::string& idempotency_key) {
  auto url = url_of(from);
  fetch_request what;
  what.method = method;
  what.path = path;
  what.key = key_of(from, url);
  what.idempotency_key = idempotency_key;
  what.ca_file = from.option("ca-file");
  if (body != nullptr)
    what.body = json::serialize(*body);
  return fetch(url, what, backup_patience);
}

json::value ask_node(const ctl_call& from, std::string_view method, const std::string& path,
                     const json::object* body, const std::string& idempotency_key) {
  auto answer = reach_node(from, method, path, body, idempotency_key);
  // Lists of many pages meet the quota: reading goes on when the node says.
  while (answer.status == 429 && method == "GET" && answer.retry_after.count() > 0
         && answer.retry_after <= longest_wait) {
    from.world.err << "troupectl: the node asks to wait " << answer.retry_after.count() << " s\n";
    std::this_thread::sleep_for(answer.retry_after);
    answer = reach_node(from, method, path, body, idempotency_key);
  }
  if (answer.status < 200 || answer.status > 299)
    throw std::runtime_error{reason(answer)};
  if (answer.body.empty())
    return nullptr;
  boost::system::error_code failed;
  auto value = json::parse(answer.body, failed);
  if (failed)
    throw not_ours();
  return value;
}

void watch_node(const ctl_call& from, const std::string& path,
                std::function<void(std::string_view)> each) {
  auto url = url_of(from);
  fetch_request what;
  what.path = path;
  what.key = key_of(from, url);
  what.ca_file = from.option("ca-file");
  what.each = std::move(each);
  auto answer = fetch(url, what, backup_patience);
  if (answer.status != 200)
    throw std::runtime_error{reason(answer)};
}

bool shown_as_json(const ctl_call& from, const json::value& answer) {
  if (!from.json())
    return false;
  from.world.out << (answer.is_null() ? "{}" : json::serialize(answer)) << '\n';
  return true;
}

json::array ask_pages(const ctl_call& from, const std::string& path, std::string_view name) {
  json::array all;
  auto most = from.has("limit") ? static_cast<std::size_t>(from.number("limit")) : SIZE_MAX;
  std::string cursor;
  while (all.size() < most) {
    auto page = path + (path.find('?') == std::string::npos ? '?' : '&')
                + "limit=" + std::to_string(std::min<std::size_t>(most - all.size(), 1000));
    if (!cursor.empty())
      page += "&cursor=" + cursor;
    auto answer = ask_node(from, "GET", page);
    auto* object = answer.if_object();
    auto* rows = object == nullptr ? nullptr : object->if_contains(name);
    if (rows == nullptr || !rows->is_array())
      throw not_ours();
    for (auto& row : rows->get_array())
      all.push_back(row);
    cursor = member_text(*object, "next_cursor");
    if (cursor.empty())
      break;
  }
  return all;
}

std::span<const command> node_commands() {
  return node_command_table;
}

} // namespace troupe::api

#include "runtime/api/ctl_print.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe::api {
namespace {

namespace json = boost::json;
using namespace std::string_view_literals;

constexpr std::array good{"healthy"sv, "closed"sv, "running"sv, "active"sv, "passive"sv};
constexpr std::array middling{"degraded"sv,   "half-open"sv,   "starting"sv,
                              "restarting"sv, "passivating"sv, "pending"sv};

std::string coloured(const printer& to, std::string_view word) {
  if (!to.colour)
    return std::string{word};
  auto is = [word](const auto& list) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  auto colour = is(good) ? "\x1b[32m" : is(middling) ? "\x1b[33m" : "\x1b[31m";
  return fmt::format("{}{}\x1b[0m", colour, word);
}

std::string dim(const printer& to, const std::string& text) {
  return to.colour ? "\x1b[2m" + text + "\x1b[0m" : text;
}

/// A member as text: numbers and words as they are, null as `none`.
std::string text_of(const json::object& from, std::string_view key, std::string_view none = "-") {
  auto* found = from.if_contains(key);
  if (found == nullptr || found->is_null())
    return std::string{none};
  if (auto* word = found->if_string())
    return std::string{*word};
  if (auto* number = found->if_double())
    return fmt::format("{:.4g}", *number);
  return json::serialize(*found);
}

std::string percent_of(const json::object& from, std::string_view key) {
  return fmt::format("{:.1f} %", 100 * from.at(key).to_number<double>());
}

std::string seconds_of(const json::object& from, std::string_view key) {
  return shown_seconds(from.at(key));
}

cell state_of(const json::object& from, std::string_view key) {
  return {text_of(from, key), true};
}

std::vector<cell> health_row(const json::object& one) {
  return {{text_of(one, "bot", "upstream")},
          state_of(one, "status"),
          state_of(one, "breaker"),
          {text_of(one, "requests")},
          {percent_of(one, "error_rate")},
          {percent_of(one, "client_error_rate")},
          {seconds_of(one, "latency_ewma_seconds")},
          {text_of(one, "consecutive_failures")},
          {seconds_of(one, "since_success_seconds")}};
}

/// "2 healthy, 1 degraded"
std::string counts(const json::object& from) {
  std::string all;
  for (auto& one : from)
    all += fmt::format("{}{} {}", all.empty() ? "" : ", ", json::serialize(one.value()),
                       std::string_view{one.key()});
  return all;
}

void print_branch(const printer& to, const json::object& supervisor, const std::string& indent) {
  auto& children = supervisor.at("children").as_array();
  auto total = supervisor.at("children_total").to_number<std::uint64_t>();
  auto more = total > children.size() ? total - children.size() : 0;
  for (std::size_t i = 0; i < children.size(); ++i) {
    auto& one = children[i].as_object();
    auto last = i + 1 == children.size() && more == 0;
    auto name = text_of(one, "name");
    if (auto& bot = one.at("bot"); !bot.is_null())
      name = "bot " + json::serialize(bot);
    to.out << indent << (last ? "└─ " : "├─ ") << name << "  "
           << coloured(to, text_of(one, "state"))
           << dim(to, "  up " + seconds_of(one, "uptime_seconds"));
    if (auto restarts = one.at("restarts").to_number<std::uint64_t>(); restarts > 0)
      to.out << "  restarted " << restarts << " times";
    auto* below = one.if_contains("supervisor");
    if (below != nullptr && below->as_object().contains("error"))
      to.out << "  no answer";
    to.out << '\n';
    if (below != nullptr && below->as_object().contains("children"))
      print_branch(to, below->as_object(), indent + (last ? "   " : "│  "));
  }
  if (more > 0)
    to.out << indent << "└─ and " << more << " more (--limit=N)\n";
}

using member_lines = std::vector<std::pair<std::string, std::string>>;

void collect(const json::object& from, const std::string& above, member_lines& to) {
  for (auto& one : from) {
    auto name = above + std::string{one.key()};
    if (auto* inner = one.value().if_object(); inner != nullptr && !inner->empty())
      collect(*inner, name + '.', to);
    else
      to.emplace_back(std::move(name), text_of(from, one.key()));
  }
}

} // namespace

std::string shown_member(const json::object& from, std::string_view name) {
  return text_of(from, name);
}

void print_members(const printer& to, const json::object& from) {
  member_lines lines;
  collect(from, {}, lines);
  std::vector<std::vector<cell>> rows;
  for (auto& [name, text] : lines)
    rows.push_back({{name}, {text, name == "phase" || name == "health" || name == "status"}});
  std::size_t width = 0;
  for (auto& row : rows)
    width = std::max(width, row[0].text.size());
  for (auto& row : rows)
    to.out << dim(to, row[0].text) << std::string(width - row[0].text.size() + 2, ' ')
           << (row[1].state ? coloured(to, row[1].text) : row[1].text) << '\n';
}

std::string shown_seconds(const json::value& value) {
  if (value.is_null())
    return "never";
  auto seconds = value.to_number<double>();
  if (seconds < 1)
    return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 10)
    return fmt::format("{:.1f} s", seconds);
  if (seconds < 120)
    return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200)
    return fmt::format("{:.0f} min", seconds / 60);
  return seconds < 172'800 ? fmt::format("{:.0f} h", seconds / 3600)
                           : fmt::format("{:.0f} d", seconds / 86'400);
}

void print_table(const printer& to, const std::vector<std::string>& heads,
                 const std::vector<std::vector<cell>>& rows) {
  std::vector<std::size_t> widths;
  std::vector<bool> right;
  for (auto& head : heads) {
    right.push_back(head.starts_with('#'));
    widths.push_back(head.size() - (right.back() ? 1 : 0));
  }
  for (auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].text.size());
  auto put = [&](std::size_t i, const std::string& plain, const std::string& painted) {
    std::string gap(widths[i] - plain.size(), ' ');
    auto last = i + 1 == widths.size();
    to.out << (right[i] ? gap + painted : last ? painted : painted + gap) << (last ? "\n" : "  ");
  };
  for (std::size_t i = 0; i < heads.size(); ++i) {
    auto head = heads[i].substr(right[i] ? 1 : 0);
    put(i, head, dim(to, head));
  }
  for (auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      put(i, row[i].text, row[i].state ? coloured(to, row[i].text) : row[i].text);
}

void print_health(const printer& to, const json::object& report) {
  to.out << "bots seen: " << text_of(report, "bots") << " ("
         << counts(report.at("by_status").as_object())
         << "), breakers: " << counts(report.at("breakers").as_object()) << "\n\n";
  std::vector<std::vector<cell>> rows{health_row(report.at("upstream").as_object())};
  for (auto& one : report.at("worst").as_array())
    rows.push_back(health_row(one.as_object()));
  print_table(to,
              {"bot", "status", "breaker", "#requests", "#errors", "#client errors", "#latency",
               "#failures in a row", "#last success"},
              rows);
}

void print_tree(const printer& to, const json::object& report) {
  to.out << text_of(report, "name") << dim(to, "  " + text_of(report, "strategy")) << '\n';
  print_branch(to, report, "");
}

void print_sessions(const printer& to, const json::object& report) {
  to.out << "leased " << text_of(report, "leased") << " and idle " << text_of(report, "idle")
         << " of at most " << text_of(report, "max_per_host") << " per host, long polls "
         << text_of(report, "polls") << " of " << text_of(report, "max_polls") << ", downloads "
         << text_of(report, "downloads") << " of " << text_of(report, "max_downloads")
         << ", waiting " << text_of(report, "waiting") << ", leases so far "
         << text_of(report, "leases_total") << ", reclaimed " << text_of(report, "reclaimed_total")
         << "\n\n";
  std::vector<std::vector<cell>> rows;
  for (auto& value : report.at("sessions").as_array()) {
    auto& one = value.as_object();
    rows.push_back({{text_of(one, "id")},
                    {text_of(one, "kind")},
                    {text_of(one, "bot", "idle")},
                    {text_of(one, "lane")},
                    {text_of(one, "leases")},
                    {seconds_of(one, "age_seconds")},
                    {seconds_of(one, "idle_seconds")}});
  }
  print_table(to, {"#session", "kind", "#bot", "#lane", "#leases", "#age", "#idle"}, rows);
}

void print_budgets(const printer& to, const json::object& report) {
  to.out << "granted " << text_of(report, "granted_total") << ", refused "
         << text_of(report, "refused_total") << ", waiting " << text_of(report, "waiting")
         << ", free sessions " << text_of(report, "credits") << ", held after 429 "
         << text_of(report, "holds") << ", upstream breaker "
         << coloured(to, text_of(report, "upstream_breaker")) << "\n\n";
  std::vector<std::vector<cell>> rows;
  for (auto& value : report.at("budgets").as_array()) {
    auto& one = value.as_object();
    rows.push_back({{text_of(one, "scope")},
                    {text_of(one, "used")},
                    {text_of(one, "limit", "none")},
                    {seconds_of(one, "window_seconds")},
                    {text_of(one, "windows")},
                    {text_of(one, "throttled")}});
  }
  print_table(to, {"budget", "#used", "#limit", "#per", "#windows", "#throttled"}, rows);
}

void print_cluster(const printer& to, const json::object& report) {
  if (!report.at("clustered").as_bool()) {
    to.out << "this node is by itself: cluster.etcd is empty.\n";
    return;
  }
  to.out << "asked node " << text_of(report, "node")
         << (report.at("member").as_bool() ? "" : ", which is no member now") << "; leader "
         << text_of(report, "leader", "none") << "; of 1024 shards "
         << text_of(report, "unowned_shards") << " unowned, " << text_of(report, "moving_shards")
         << " moving; budget slice " << text_of(report, "budget_slice", "none")
         << "; calls of the asked node that went out late: "
         << text_of(report, "late_calls_total", "0") << "\n\n";
  std::vector<std::vector<cell>> rows;
  for (auto& value : report.at("nodes").as_array()) {
    auto& one = value.as_object();
    std::string state = one.at("draining").as_bool() ? "draining" : "serving";
    if (!one.at("reachable").as_bool())
      state += ", unreachable from here";
    rows.push_back({{text_of(one, "name")},
                    {state},
                    {one.at("leader").as_bool() ? "leader" : ""},
                    {text_of(one, "shards")},
                    {text_of(one, "capacity")},
                    {text_of(one, "version")},
                    {text_of(one, "address")}});
  }
  print_table(to, {"node", "state", "", "#shards", "#capacity", "version", "address"}, rows);
}

} // namespace troupe::api

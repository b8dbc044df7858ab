#include "runtime/api/rows.hpp"

#include <algorithm>
#include <map>

namespace troupe::api {
namespace {

namespace json = boost::json;

constexpr std::size_t most_chats = 20;
constexpr std::size_t most_hours = 5;

void add(usage_counts& to, const usage_counts& x) {
  to.requests += x.requests;
  to.failures += x.failures;
  to.client_errors += x.client_errors;
  to.rate_limited += x.rate_limited;
  to.latency_us += x.latency_us;
}

json::value share(std::int64_t part, std::int64_t whole) {
  if (whole == 0)
    return nullptr;
  return static_cast<double>(part) / static_cast<double>(whole);
}

json::object counts_json(const usage_counts& x) {
  return {{"requests", x.requests},
          {"failures", x.failures},
          {"client_errors", x.client_errors},
          {"rate_limited", x.rate_limited},
          {"error_rate", share(x.failures, x.requests)},
          {"average_response_seconds",
           x.requests == 0 ? json::value(nullptr)
                           : json::value(static_cast<double>(x.latency_us)
                                         / static_cast<double>(x.requests) / 1e6)}};
}

/// The largest values first, at most `most`; of equal ones the smaller key first.
template <class Key>
std::vector<std::pair<Key, std::int64_t>> largest(const std::map<Key, std::int64_t>& from,
                                                  std::size_t most) {
  std::vector<std::pair<Key, std::int64_t>> all{from.begin(), from.end()};
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (all.size() > most)
    all.resize(most);
  return all;
}

struct sums {
  usage_counts calls;
  std::int64_t updates = 0;
  std::map<std::string, usage_counts> methods;
  std::map<std::string, std::int64_t> kinds;
  std::map<std::int64_t, std::int64_t> chats;
  std::map<std::int64_t, std::int64_t> hours;

  void add_row(const usage_row& x) {
    add(calls, x.calls);
    updates += x.updates;
    for (auto& [name, counts] : x.methods)
      add(methods[name], counts);
    for (auto& [kind, count] : x.kinds)
      kinds[kind] += count;
    for (auto& [chat, count] : x.chats)
      chats[chat] += count;
    for (std::size_t hour = 0; hour < x.hours.size(); ++hour)
      if (x.hours[hour] > 0)
        hours[static_cast<std::int64_t>(hour)] += x.hours[hour];
  }
};

template <class Key>
json::array pairs_json(const std::vector<std::pair<Key, std::int64_t>>& from,
                       std::string_view name) {
  json::array all;
  for (auto& [key, count] : from)
    all.push_back(json::object{{name, key}, {"count", count}});
  return all;
}

json::array days_json(const std::vector<usage_row>& days) {
  json::array all;
  for (auto& day : days) {
    auto one = counts_json(day.calls);
    one["date"] = shown_day(day.at);
    one["updates"] = day.updates;
    all.push_back(std::move(one));
  }
  return all;
}

json::array hours_json(const std::vector<usage_row>& hours) {
  json::array all;
  for (auto& hour : hours) {
    auto one = counts_json(hour.calls);
    one["hour"] = hour.at % 24;
    one["updates"] = hour.updates;
    all.push_back(std::move(one));
  }
  return all;
}

} // namespace

json::object analytics_json(const usage_report& x, std::uint32_t days) {
  sums total;
  for (auto& day : x.days)
    total.add_row(day);
  json::object methods;
  for (auto& [name, counts] : total.methods)
    methods[name] = counts_json(counts);
  json::object kinds;
  for (auto& [kind, count] : total.kinds)
    kinds[kind] = count;
  auto all = counts_json(total.calls);
  all["days"] = days;
  all["updates"] = total.updates;
  all["requests_per_day"] = days_json(x.days);
  all["today_by_hour"] = hours_json(x.today);
  all["most_active_hours"] = pairs_json(largest(total.hours, most_hours), "hour");
  all["methods"] = std::move(methods);
  all["updates_by_kind"] = std::move(kinds);
  all["chats"] = pairs_json(largest(total.chats, most_chats), "chat");
  return all;
}

} // namespace troupe::api

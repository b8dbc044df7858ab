#include "runtime/store/usage.hpp"

#include "runtime/store/error.hpp"

#include <boost/json/array.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace troupe::store {
namespace {

namespace json = boost::json;

/// The entry of `name`, or that of all others when there are enough names.
template <class Value>
Value& entry(std::map<std::string, Value>& of, const std::string& name, std::size_t most) {
  auto found = of.find(name);
  if (found != of.end())
    return found->second;
  return of[of.size() + 1 < most ? name : usage::others];
}

json::array numbers(const call_counts& x) {
  return {x.requests, x.failures, x.client_errors, x.rate_limited, x.latency_us};
}

call_counts counts(const json::value& from) {
  const auto& x = from.as_array();
  return {x.at(0).to_number<std::int64_t>(), x.at(1).to_number<std::int64_t>(),
          x.at(2).to_number<std::int64_t>(), x.at(3).to_number<std::int64_t>(),
          x.at(4).to_number<std::int64_t>()};
}

void read_detail(const json::object& from, usage& to) {
  if (auto* methods = from.if_contains("m"))
    for (const auto& one : methods->as_object())
      to.methods[std::string{one.key()}] = counts(one.value());
  if (auto* kinds = from.if_contains("u"))
    for (const auto& one : kinds->as_object())
      to.kinds[std::string{one.key()}] = one.value().to_number<std::int64_t>();
  if (auto* chats = from.if_contains("c"))
    for (const auto& one : chats->as_array())
      to.chats.emplace_back(one.as_array().at(0).to_number<std::int64_t>(),
                            one.as_array().at(1).to_number<std::int64_t>());
  if (auto* hours = from.if_contains("h"))
    for (std::size_t i = 0; i < to.hours.size(); ++i)
      to.hours[i] = hours->as_array().at(i).to_number<std::int64_t>();
}

void keep_busiest(std::vector<std::pair<std::int64_t, std::int64_t>>& chats) {
  std::sort(chats.begin(), chats.end(), [](auto& a, auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (chats.size() > usage::kept_chats)
    chats.resize(usage::kept_chats);
}

} // namespace

void call_counts::add(const call_counts& x) noexcept {
  requests += x.requests;
  failures += x.failures;
  client_errors += x.client_errors;
  rate_limited += x.rate_limited;
  latency_us += x.latency_us;
}

void usage::count_call(const std::string& method, const call_counts& outcome) {
  calls.add(outcome);
  entry(methods, method, most_methods).add(outcome);
}

void usage::count_update(const std::string& kind) {
  ++updates;
  ++entry(kinds, kind, most_kinds);
}

void usage::count_chat(std::int64_t chat, std::int64_t times) {
  auto found = std::find_if(chats.begin(), chats.end(), [&](auto& x) { return x.first == chat; });
  if (found != chats.end()) {
    found->second += times;
    return;
  }
  // Space-Saving (Metwally et al. 2005): the least busy one gives its place and its count.
  if (chats.size() < kept_chats) {
    chats.emplace_back(chat, times);
    return;
  }
  auto least = std::min_element(chats.begin(), chats.end(),
                                [](auto& a, auto& b) { return a.second < b.second; });
  *least = {chat, least->second + times};
}

/// Summaries add up (Cafaro, Pulimeno, Tempesta 2016): who is not in a full one may have had as many
/// there as its least busy chat. So nobody is missed who is never among the busiest of one part.
void usage::add_chats(const chat_counts& more) {
  auto unseen = [](const chat_counts& x) -> std::int64_t {
    if (x.size() < kept_chats)
      return 0;
    return std::ranges::min(x, {}, &chat_counts::value_type::second).second;
  };
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> both;
  auto [here, there] = std::pair{unseen(chats), unseen(more)};
  for (const auto& [chat, n] : chats)
    both[chat] = {n, there};
  for (const auto& [chat, n] : more)
    both.try_emplace(chat, here, 0).first->second.second = n;
  chats.clear();
  for (const auto& [chat, n] : both)
    chats.emplace_back(chat, n.first + n.second);
  keep_busiest(chats);
}

void usage::add(const usage& x) {
  calls.add(x.calls);
  updates += x.updates;
  for (const auto& [name, outcome] : x.methods)
    entry(methods, name, most_methods).add(outcome);
  for (const auto& [name, n] : x.kinds)
    entry(kinds, name, most_kinds) += n;
  add_chats(x.chats);
  for (std::size_t i = 0; i < hours.size(); ++i)
    hours[i] += x.hours[i];
}

std::string encode_detail(const usage& x) {
  json::object out;
  if (!x.methods.empty()) {
    auto& methods = out["m"].emplace_object();
    for (const auto& [name, outcome] : x.methods)
      methods[name] = numbers(outcome);
  }
  if (!x.kinds.empty()) {
    auto& kinds = out["u"].emplace_object();
    for (const auto& [name, n] : x.kinds)
      kinds[name] = n;
  }
  if (!x.chats.empty()) {
    auto busiest = x.chats;
    keep_busiest(busiest);
    auto& chats = out["c"].emplace_array();
    for (const auto& [chat, n] : busiest)
      chats.push_back(json::array{chat, n});
  }
  if (std::any_of(x.hours.begin(), x.hours.end(), [](auto n) { return n != 0; }))
    out["h"] = json::array(x.hours.begin(), x.hours.end());
  return json::serialize(out);
}

void decode_detail(const std::string& text, usage& to) {
  try {
    // Without a heap allocation per value: a question about 90 days reads hundreds of these.
    unsigned char room[8192];
    json::monotonic_resource memory{room};
    read_detail(json::parse(text, &memory).as_object(), to);
  } catch (const std::exception&) {
    throw store_error(fault::schema,
                      "a row of usage holds something else than this program stores");
  }
}

} // namespace troupe::store

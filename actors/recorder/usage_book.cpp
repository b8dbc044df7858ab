#include "actors/recorder/usage_book.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr wall_ms hour = 3'600'000;

/// Whether an exchange took place, and what it counts as.
bool judge(std::string_view how, usage_counts& to) {
  if (how == "client_error")
    ++to.client_errors;
  else if (how == "rate_limited")
    ++to.rate_limited;
  else if (how == "server_error" || how == "timeout" || how == "broken" || how == "half_answer"
           || how == "not_sent")
    ++to.failures;
  else if (how != "ok")
    return false;
  ++to.requests;
  return true;
}

void add(usage_counts& to, const usage_counts& x) {
  to.requests += x.requests;
  to.failures += x.failures;
  to.client_errors += x.client_errors;
  to.rate_limited += x.rate_limited;
  to.latency_us += x.latency_us;
}

} // namespace

usage_book::entry* usage_book::find(part& in, key of) const {
  auto at = in.entries.find(of);
  if (at != in.entries.end())
    return &at->second;
  if (in.entries.size() >= max_bots_ / 16 + 1)
    return nullptr;
  return &in.entries[of];
}

usage_counts& usage_book::counts_of(entry& in, std::string_view method) {
  if (auto at = in.methods.find(method); at != in.methods.end())
    return at->second;
  if (in.methods.size() >= max_methods || method.empty())
    return in.methods["other"];
  return in.methods[std::string{method}];
}

void usage_book::count(bot_id bot, std::string_view method, std::string_view how, double seconds,
                       std::int64_t chat, wall_ms now) {
  usage_counts one;
  if (!judge(how, one))
    return;
  one.latency_us = static_cast<std::int64_t>(seconds * 1e6);
  auto& home = part_of(bot);
  std::lock_guard lock{home.mutex};
  auto* found = find(home, {bot, now / hour});
  if (found == nullptr)
    return;
  add(found->calls, one);
  add(counts_of(*found, method), one);
  if (chat != 0)
    found->chats.add(chat);
}

void usage_book::count_update(bot_id bot, std::string_view kind, std::int64_t chat, wall_ms now) {
  auto& home = part_of(bot);
  std::lock_guard lock{home.mutex};
  auto* found = find(home, {bot, now / hour});
  if (found == nullptr)
    return;
  ++found->updates;
  auto name = kind.empty() ? std::string_view{"other"} : kind;
  if (auto at = found->kinds.find(name); at != found->kinds.end())
    ++at->second;
  else
    found->kinds.emplace(name, 1);
  if (chat != 0)
    found->chats.add(chat);
}

std::vector<usage_delta> usage_book::take() {
  std::vector<usage_delta> result;
  for (auto& one : parts_) {
    std::map<key, entry> entries;
    {
      std::lock_guard lock{one.mutex};
      entries.swap(one.entries);
    }
    for (auto& [of, counted] : entries) {
      auto& to = result.emplace_back();
      to.bot = of.first;
      to.hour.at = of.second;
      to.hour.calls = counted.calls;
      to.hour.updates = counted.updates;
      to.hour.kinds.assign(counted.kinds.begin(), counted.kinds.end());
      to.hour.methods.assign(counted.methods.begin(), counted.methods.end());
      for (const auto& one : counted.chats.sorted())
        to.hour.chats.emplace_back(one.key, one.count);
    }
  }
  return result;
}

void usage_book::give_back(const std::vector<usage_delta>& what) {
  for (const auto& x : what) {
    auto& home = part_of(x.bot);
    std::lock_guard lock{home.mutex};
    auto* found = find(home, {x.bot, x.hour.at});
    if (found == nullptr)
      continue;
    add(found->calls, x.hour.calls);
    found->updates += x.hour.updates;
    for (const auto& [kind, times] : x.hour.kinds)
      found->kinds[kind] += times;
    for (const auto& [method, counts] : x.hour.methods)
      add(counts_of(*found, method), counts);
    for (const auto& [chat, times] : x.hour.chats)
      found->chats.add(chat, times);
  }
}

} // namespace troupe

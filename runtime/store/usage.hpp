#pragma once
#include "messages/call.hpp"

#include <array>
#include <map>
#include <string>
#include <vector>

/// What a bot did in an hour or a day: a value, in bounded memory, that adds up.
namespace troupe::store {

/// Requests by outcome. The average response time is latency_us / requests.
struct call_counts {
  std::int64_t requests = 0;
  std::int64_t failures = 0;      ///< Transport errors, timeouts, 5xx.
  std::int64_t client_errors = 0; ///< 4xx without 429.
  std::int64_t rate_limited = 0;  ///< 429.
  std::int64_t latency_us = 0;    ///< Sum, microseconds.

  void add(const call_counts& x) noexcept;
  friend bool operator==(const call_counts&, const call_counts&) = default;
};

struct usage {
  using chat_counts = std::vector<std::pair<std::int64_t, std::int64_t>>;

  static constexpr std::size_t most_methods = 64;
  static constexpr std::size_t most_kinds = 32;
  static constexpr std::size_t kept_chats = 40; ///< Twice what anybody is shown, so that it is right.
  /// Where the counts of names beyond these numbers go.
  static constexpr const char* others = "other";

  call_counts calls;
  std::int64_t updates = 0;
  std::map<std::string, call_counts> methods;
  std::map<std::string, std::int64_t> kinds; ///< Updates by kind.
  /// Requests and updates by chat, the busiest first, of at most `kept_chats`. Exact while a bot has
  /// no more chats than these in a day; beyond, no count is off by more than a fortieth of all.
  chat_counts chats;
  /// Requests and updates by hour of the day, UTC.
  std::array<std::int64_t, 24> hours{};

  void count_call(const std::string& method, const call_counts& outcome);
  void count_update(const std::string& kind);
  void count_chat(std::int64_t chat, std::int64_t times = 1);

  void add(const usage& x);

  friend bool operator==(const usage&, const usage&) = default;

private:
  void add_chats(const chat_counts& more);
};

/// What is no column: methods, kinds, chats, hours, as compact JSON.
[[nodiscard]] std::string encode_detail(const usage& x);

/// @throws store_error (schema) when `text` is no such JSON
void decode_detail(const std::string& text, usage& to);

} // namespace troupe::store

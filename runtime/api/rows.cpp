#include "runtime/api/rows.hpp"

#include "runtime/updates/settings.hpp"

#include <boost/json/parse.hpp>

#include <fmt/format.h>

#include <chrono>

namespace troupe::api {
namespace {

namespace json = boost::json;

std::string shown_date(std::chrono::sys_days day) {
  std::chrono::year_month_day date{day};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

json::value none_if_zero(std::int64_t x) {
  if (x == 0)
    return nullptr;
  return x;
}

/// Text that the store keeps as JSON.
json::value stored_json(const std::string& text) {
  boost::system::error_code failed;
  auto value = json::parse(text, failed);
  if (failed)
    return nullptr;
  return value;
}

json::value part_of(const json::value& settings, std::string_view name) {
  if (auto* object = settings.if_object())
    if (auto* found = object->if_contains(name))
      return *found;
  return nullptr;
}

} // namespace

json::value shown_time(wall_ms x) {
  if (x == 0)
    return nullptr;
  std::chrono::sys_time<std::chrono::milliseconds> at{std::chrono::milliseconds{x}};
  auto day = std::chrono::floor<std::chrono::days>(at);
  auto rest = (at - day).count();
  return json::value(fmt::format("{}T{:02}:{:02}:{:02}.{:03}Z", shown_date(day), rest / 3'600'000,
                                 rest / 60'000 % 60, rest / 1000 % 60, rest % 1000));
}

std::string shown_day(std::int64_t day) {
  return shown_date(std::chrono::sys_days{std::chrono::days{day}});
}

json::value none_if_empty(const std::string& x) {
  if (x.empty())
    return nullptr;
  return json::value(x);
}

json::object to_json(const bot_row& x, std::optional<health_status> health) {
  auto settings = stored_json(updates::shown_settings(x.settings));
  json::value how = nullptr;
  if (x.phase == bot_phase::suspended)
    how = to_string(health_status::suspended);
  else if (health)
    how = to_string(*health);
  return {{"id", x.id},
          {"tenant", x.tenant},
          {"username", none_if_empty(x.username)},
          {"name", x.name},
          {"phase", to_string(x.phase)},
          {"reason", none_if_empty(x.reason)},
          {"phase_since", shown_time(x.since)},
          {"phase_until", shown_time(x.until)},
          {"health", std::move(how)},
          {"verified", x.verified != 0},
          {"verified_at", shown_time(x.verified)},
          {"owner", none_if_zero(x.owner)},
          {"limits", {{"rps", none_if_zero(x.rps)}, {"concurrent", none_if_zero(x.concurrent)}}},
          {"updates", part_of(settings, "updates")},
          {"delivery", part_of(settings, "delivery")},
          {"created_at", shown_time(x.created)},
          {"updated_at", shown_time(x.updated)},
          {"version", x.version}};
}

json::object to_json(const tenant_row& x) {
  return {{"id", x.id},
          {"name", x.name},
          {"state", x.suspended ? "suspended" : "active"},
          {"max_bots", none_if_zero(x.max_bots)},
          {"rps", none_if_zero(x.rps)},
          {"created_at", shown_time(x.created)}};
}

json::object to_json(const user_row& x) {
  return {{"id", x.id},
          {"tenant", x.tenant},
          {"name", x.name},
          {"role", to_string(x.role)},
          {"created_at", shown_time(x.created)}};
}

json::object to_json(const key_row& x) {
  return {{"id", x.id},
          {"tenant", none_if_zero(x.tenant)},
          {"user", none_if_zero(x.user)},
          {"role", to_string(x.role)},
          {"name", x.name},
          {"prefix", x.prefix},
          {"created_at", shown_time(x.created)},
          {"expires_at", shown_time(x.expires)},
          {"revoked_at", shown_time(x.revoked)},
          {"used_at", shown_time(x.used)}};
}

json::object to_json(const virtual_token_row& x) {
  return {{"id", x.id},
          {"bot", x.bot},
          {"name", x.name},
          {"methods", x.methods.empty() ? json::value(nullptr) : json::value_from(x.methods)},
          {"created_at", shown_time(x.created)},
          {"expires_at", shown_time(x.expires)},
          {"revoked_at", shown_time(x.revoked)}};
}

json::object to_json(const health_row& x) {
  auto rate = x.requests == 0
                ? 0.0
                : static_cast<double>(x.failures) / static_cast<double>(x.requests);
  return {{"bot", x.bot},
          {"status", to_string(x.status)},
          {"breaker", to_string(x.breaker)},
          {"requests", x.requests},
          {"failures", x.failures},
          {"client_errors", x.client_errors},
          {"rate_limited", x.rate_limited},
          {"error_rate", rate},
          {"latency_ewma_seconds", static_cast<double>(x.latency_us) / 1e6},
          {"consecutive_failures", x.consecutive_failures},
          {"last_success_at", shown_time(x.last_success)},
          {"last_failure_at", shown_time(x.last_failure)},
          {"saved_at", shown_time(x.saved)}};
}

json::object to_json(const audit_row& x) {
  return {{"id", x.id},
          {"at", shown_time(x.at)},
          {"actor", x.by.name},
          {"key", none_if_zero(x.by.key)},
          {"address", none_if_empty(x.by.address)},
          {"request_id", none_if_empty(x.by.request)},
          {"tenant", none_if_zero(x.tenant)},
          {"action", x.action},
          {"subject", x.subject},
          {"outcome", x.outcome},
          {"detail", stored_json(x.detail)}};
}

} // namespace troupe::api

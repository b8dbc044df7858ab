#include "actors/rate_governor/convert.hpp"

#include "runtime/policy/breaker.hpp"

#include <array>

namespace troupe {
namespace {

using std::chrono::seconds;

constexpr std::array scope_names{"global", "tenant", "bot", "chat", "group"};
static_assert(scope_names.size() == budget_scopes);
static_assert(static_cast<int>(breaker_phase::half_open)
              == static_cast<int>(breaker_state::half_open));

} // namespace

grant_limits to_limits(const rate_governor_config& cfg) {
  grant_limits result;
  auto& b = result.budgets;
  b.global.rules[0] = {cfg.global_rps, seconds{1}};
  b.tenant.rules[0] = {cfg.tenant_rps, seconds{1}};
  b.bot.rules[0] = {cfg.bot_rps, seconds{1}};
  b.lifted.rules[0] = {cfg.paid_broadcast_rps, seconds{1}};
  if (cfg.chat_rps > 0)
    b.chat.rules = {rate_rule{cfg.chat_rps, seconds{1}}, rate_rule{cfg.chat_per_20s, seconds{20}}};
  else
    b.chat = {};
  b.group.rules[0] = {cfg.group_rpm, seconds{60}};
  b.max_bots = b.max_chats = cfg.max_windows;
  result.max_waiting = cfg.max_waiting;
  result.probe_timeout = cfg.probe_timeout;
  return result;
}

grant_request to_request(const permit_request& x) {
  return {x.bot,        x.tenant,         x.id,       x.method,  x.produces_message && x.chat,
          x.chat.group, x.paid_broadcast, x.chat.key, x.patience};
}

governor_report report_of(const grant_engine& engine, time_point at) {
  governor_report result;
  result.granted = engine.granted();
  result.refused = engine.refused();
  result.waiting = static_cast<std::uint32_t>(engine.waiting());
  result.credits = engine.credits();
  result.holds = static_cast<std::uint32_t>(engine.holds(at));
  result.upstream = static_cast<breaker_state>(engine.upstream_phase(at));
  for (std::size_t i = 0; i < budget_scopes; ++i) {
    auto scope = static_cast<budget_scope>(i);
    auto usage = engine.book().used(scope, at);
    result.budgets.push_back({scope_names[i], usage.rule.limit, usage.rule.length, usage.used,
                              usage.windows, engine.throttled(scope)});
  }
  return result;
}

} // namespace troupe

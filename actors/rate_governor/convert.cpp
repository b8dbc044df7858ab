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

budget_limits to_budgets(const rate_limits& x) {
  budget_limits result;
  result.global.rules[0] = {x.global_rps, seconds{1}};
  result.tenant.rules[0] = {x.tenant_rps, seconds{1}};
  result.bot.rules[0] = {x.bot_rps, seconds{1}};
  result.lifted.rules[0] = {x.paid_broadcast_rps, seconds{1}};
  if (x.chat_rps > 0)
    result.chat.rules = {rate_rule{x.chat_rps, seconds{1}}, rate_rule{x.chat_per_20s, seconds{20}}};
  else
    result.chat = {};
  result.group.rules[0] = {x.group_rpm, seconds{60}};
  result.max_bots = result.max_chats = static_cast<std::size_t>(x.max_windows);
  return result;
}

grant_limits to_limits(const rate_governor_config& cfg) {
  grant_limits result;
  result.budgets = to_budgets(cfg);
  result.max_waiting = cfg.max_waiting;
  result.probe_timeout = cfg.probe_timeout;
  return result;
}

grant_request to_request(const permit_request& x) {
  return {x.bot,        x.tenant,         x.id,       x.method,  x.produces_message && x.chat,
          x.chat.group, x.paid_broadcast, x.chat.key, x.patience};
}

shard_past to_past(const past_of_shard& x) {
  shard_past result{x.seen, {}};
  for (const auto& one : x.messages)
    result.permits.push_back({one.bot, one.chat, one.group, one.age});
  return result;
}

past_of_shard to_words(const grant_engine::given_up& x) {
  past_of_shard result{x.shard, x.revision, x.past.seen, {}};
  for (const auto& one : x.past.permits)
    result.messages.push_back({one.bot, one.chat, one.group, one.age});
  return result;
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
                              usage.windows, engine.throttled(scope), usage.limited});
  }
  return result;
}

} // namespace troupe

#include "actors/bot/state.hpp"
#include "runtime/registry/call_event.hpp"
#include "runtime/telegram/methods.hpp"

#include <algorithm>

namespace troupe::bot {

caf::actor_addr bot_state::watch_caller() {
  const auto& sender = self->current_sender();
  if (!sender || sender->node() == self->node())
    return {};
  auto who = caf::actor_cast<caf::actor_addr>(sender);
  if (std::ranges::find(callers, who) == callers.end()) {
    callers.push_back(who);
    self->monitor(sender);
  }
  return who;
}

/// What it was granted may have been sent, or not: its session is in no known state.
void bot_state::caller_lost(const caf::actor_addr& who) {
  std::erase(callers, who);
  std::vector<std::pair<call_id, lease>> ended;
  std::vector<call_id> left;
  for (const auto& entry : calls) {
    if (entry.caller != who)
      continue;
    if (entry.now == stage::granted)
      ended.emplace_back(entry.what.id, entry.held);
    else
      left.push_back(entry.what.id);
  }
  for (const auto& [cid, held] : ended)
    finish({cid, held, outcome{failure::aborted}});
  for (auto cid : left)
    cancel(cid);
}

void bot_state::tell_end(const running_call& entry, std::string_view how) {
  if (!entry.caller || entry.poll() || !found->updates)
    return;
  auto took = std::chrono::duration<double>(self->clock().now() - entry.came).count();
  note_call(*found->updates, id, telegram::method(entry.what.method).name, how, took);
}

caf::error bot_state::refuse_call(const call& c, caf::error why) {
  if (found->cluster && c.kind != call_kind::long_poll && found->updates) {
    const auto& sender = self->current_sender();
    if (sender && sender->node() != self->node())
      note_call(*found->updates, id, telegram::method(c.method).name, refusal_label(why), 0);
  }
  return why;
}

} // namespace troupe::bot

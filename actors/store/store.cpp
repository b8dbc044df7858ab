#include "actors/store/store.hpp"

#include "actors/store/state.hpp"
#include "runtime/log/log.hpp"

#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

namespace troupe::storage {

store_state::store_state(store_impl::pointer self, store_config config, store_ports ports)
  : self(self), cfg(std::move(config)), ports(std::move(ports)) {
  // Weak: what still runs keeps no dead actor.
  ended = std::make_shared<completion>([me = caf::weak_actor_ptr{self->ctrl()}] {
    if (auto strong = me.lock())
      caf::anon_send(caf::actor_cast<store_impl>(strong), caf::ok_atom_v);
  });
  commits_before = this->ports.sql->commits();
}

store_impl::behavior_type store_state::make_behavior() {
  self->set_exit_handler([this](const caf::exit_msg& ask) {
    if (ask.reason == caf::exit_reason::user_shutdown)
      return end();
    if (ask.reason)
      self->quit(ask.reason);
  });
  lose_running();
  self->run_delayed(cfg.upkeep_every, [this] { expire_answers(); });
  self->run_delayed(cfg.upkeep_every, [this] { expire_usage(0); });
  return {
    [this](const bot_lookup& x) { return look_up(x); },
    [this](const bot_query& x) { return serve(x); },
    [this](const bot_load& x) { return serve(x); },
    [this](const bot_insert& x) { return serve(x); },
    [this](const bot_state_set& x) { return serve(x); },
    [this](const bot_token_set& x) { return serve(x); },
    [this](const bot_change& x) { return serve(x); },
    [this](const bot_remove& x) { return serve(x); },
    [this](const virtual_token_make& x) { return serve(x); },
    [this](const virtual_token_revoke& x) { return serve(x); },
    [this](const virtual_token_query& x) { return serve(x); },
    [this](const virtual_token_load& x) { return serve(x); },
    [this](const verification_make& x) { return serve(x); },
    [this](const verification_try& x) { return serve(x); },
    [this](const verification_query& x) { return serve(x); },
    [this](const tenant_put& x) { return serve_forgetting(x); },
    [this](const tenant_remove& x) { return serve_forgetting(x); },
    [this](const tenant_query& x) { return serve(x); },
    [this](const user_put& x) { return serve(x); },
    [this](const user_remove& x) { return serve_forgetting(x); },
    [this](const user_query& x) { return serve(x); },
    [this](const key_make& x) { return serve(x); },
    [this](const key_revoke& x) { return serve_forgetting(x); },
    [this](const key_query& x) { return serve(x); },
    [this](const authenticate& x) { return identify(x); },
    [this](const health_save& x) { return serve(x); },
    [this](const health_query& x) { return serve(x); },
    [this](const health_load& x) { return serve(x); },
    [this](const usage_add& x) { return serve(x); },
    [this](const usage_query& x) { return serve(x); },
    [this](const audit_row& x) { return serve(x); },
    [this](const audit_query& x) { return serve(x); },
    [this](const idempotency_begin& x) { return begin(x); },
    [this](const idempotency_end& x) { return finish(x); },
    [this](const backup_request& x) { return back_up(x); },
    [this](get_report) { return report(); },
    [this](caf::ok_atom) { take_ended(); },
  };
}

void store_state::submit(work what, std::function<void()> then) {
  what.id = ++last_work;
  what.expires = now() + cfg.patience;
  what.told = ended;
  ++(what.how == work::kind::write ? writes : reads);
  running.emplace(what.id, std::move(then));
  ports.sql->submit(std::move(what));
}

void store_state::take_ended() {
  for (auto id : ended->take()) {
    auto found = running.extract(id);
    if (!found.empty())
      found.mapped()();
  }
  if (ending && running.empty())
    self->quit(caf::exit_reason::user_shutdown);
}

std::optional<caf::error> store_state::refused() const {
  if (!ending && running.size() < cfg.max_waiting)
    return std::nullopt;
  return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
}

void store_state::note_fenced(const shard_hold& what) {
  auto [known, first] = fenced.emplace(what.shard, what.revision);
  if (!first && std::exchange(known->second, what.revision) == what.revision)
    return;
  log::event(log::level::warning, "store.fenced", name,
             {{"shard", static_cast<std::int64_t>(what.shard)}, {"revision", what.revision}},
             "A change of a bot was refused: its shard belongs to another node.");
}

void store_state::count(const caf::error& why) {
  if (!why) {
    reachable = true;
    return;
  }
  if (why.category() != caf::type_id_v<store_refusal>)
    return;
  switch (static_cast<store_refusal>(why.code())) {
  case store_refusal::unavailable:
    reachable = false;
    [[fallthrough]];
  case store_refusal::disk_full:
  case store_refusal::outcome_unknown:
  case store_refusal::failed:
    ++failures;
    return;
  default:
    reachable = true;
  }
}

void store_state::end() {
  ending = true;
  for (auto& [key, one] : std::exchange(begins, {})) {
    one->timer.dispose();
    one->again();
  }
  if (running.empty())
    self->quit(caf::exit_reason::user_shutdown);
}

store_report store_state::report() const {
  store_report result;
  result.where = cfg.where;
  result.reachable = reachable;
  result.waiting = static_cast<std::uint32_t>(running.size());
  result.reads = reads;
  result.writes = writes;
  result.commits = ports.sql->commits() - commits_before;
  result.failures = failures;
  return result;
}

} // namespace troupe::storage

namespace troupe {

store_actor spawn_store(caf::actor_system& sys, store_config config, store_ports ports) {
  using impl = storage::store_impl::stateful_impl<storage::store_state>;
  return sys.spawn<impl>(std::move(config), std::move(ports));
}

} // namespace troupe

#include "actors/registrar/registrar.hpp"

#include "actors/registrar/state.hpp"
#include "runtime/telegram/token.hpp"

#include <caf/send.hpp>
#include <caf/stateful_actor.hpp>

namespace troupe::registering {

registrar_impl::behavior_type registrar_state::make_behavior() {
  // Apart from the gateways', which count from their own incarnations on.
  next_call = std::uint64_t{1} << 63 | (++*ports.incarnations << 40) | 1;
  // Bots are served when the governor knows what their tenants may.
  if (ports.found->cluster) {
    mine = std::make_unique<shard_book>();
    for (const auto& one : ports.found->cluster->owned())
      mine->places[one.shard].wanted = true;
    self->set_down_handler([this](const caf::down_msg& x) { on_down(x); });
    read_shards();
    reread_rates();
  } else {
    load_rates([this] { load_bots(0); });
  }
  using me = registrar_state;
  return {
    [this](const bot_register& x) -> caf::result<bot_row> {
      auto token = telegram::bot_token::parse(x.token.text);
      return at_owner(token ? token->id() : 0, x, &me::enrol);
    },
    [this](const bot_order& x) { return at_owner(x.bot, x, &me::order); },
    [this](const bot_rotate& x) { return at_owner(x.bot, x, &me::rotate); },
    [this](const bot_change& x) { return at_owner(x.bot, x, &me::change); },
    [this](const bot_remove& x) { return at_owner(x.bot, x, &me::remove); },
    [this](const virtual_token_make& x) { return at_owner(x.bot, x, &me::make_token); },
    [this](const virtual_token_revoke& x) { return at_owner(x.bot, x, &me::revoke_token); },
    [this](const verification_try& x) { return at_owner(x.bot, x, &me::verify); },
    [this](const method_call& x) -> caf::result<method_answer> {
      if (x.own && !keeps(x.bot)) // Whoever owns it makes its own.
        return not_now();
      return at_owner(x.bot, x, &me::call_method);
    },
    [this](const tenant_put& x) { return put_tenant(x); },
    [this](const tenant_remove& x) { return remove_tenant(x); },
    [this](served_query) { return served_bots(); },
    [this](const shards_gained& x) { return gain(x); },
    [this](const shards_lost& x) { return lose(x); },
    [this](const tenant_changed& x) { return hear_of(x); },
    [this](const live_query& x) { return live(x); },
    [this](get_report) { return report(); },
    [this](bot_id bot, bot_phase phase, caf::timespan rest, const std::string& reason,
           std::uint32_t quarantines) { hear(bot, phase, rest, reason, quarantines); },
    [this](call_id id, const outcome& how, method_answer& what) { on_exchange(id, how, what); },
  };
}

void registrar_state::take_turn(bot_id bot, std::function<void()> begin) {
  ++busy;
  auto [at, first] = turns.try_emplace(bot);
  if (first)
    return begin();
  at->second.push_back(std::move(begin));
}

void registrar_state::end_turn(bot_id bot) {
  --busy;
  auto at = turns.find(bot);
  if (at->second.empty()) {
    turns.erase(at);
    return settle_shards();
  }
  ready.push_back(std::move(at->second.front()));
  at->second.pop_front();
  if (ready.size() > 1)
    return; // A turn that ends at once must not begin the next one within itself, and so on.
  while (!ready.empty()) {
    auto begin = ready.front();
    begin();
    ready.pop_front();
  }
}

caf::error registrar_state::readable(caf::error why) {
  if (why.category() == caf::type_id_v<store_refusal>)
    return why;
  // The store died with the request: whether it was done, nobody knows.
  return caf::make_error(store_refusal::outcome_unknown);
}

} // namespace troupe::registering

namespace troupe {

registrar_actor spawn_registrar(caf::actor_system& sys, registrar_config config,
                                registrar_ports ports) {
  using impl = registering::registrar_impl::stateful_impl<registering::registrar_state>;
  return sys.spawn<impl>(std::move(config), std::move(ports));
}

void note_phase(const registrar_actor& to, bot_id bot, bot_phase phase, caf::timespan rest,
                std::string reason, std::uint32_t quarantines) {
  if (to)
    caf::anon_send(caf::actor_cast<registering::registrar_impl>(to), bot, phase, rest,
                   std::move(reason), quarantines);
}

} // namespace troupe

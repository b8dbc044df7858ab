#pragma once
#include "actors/registrar/registrar.hpp"
#include "messages/cluster.hpp"
#include "messages/rate_governor.hpp"
#include "messages/supervisor.hpp"
#include "messages/updates.hpp"
#include "runtime/crypto/hash.hpp"
#include "tests/durable/fixture.hpp"

#include <map>

namespace troupe::durable_tests {

/// What the shard of bots and its bots heard.
struct shard_notes {
  std::vector<start_bot> starts;
  std::vector<bot_id> stops;
  std::vector<bot_command> commands;
  std::vector<call> calls;
  std::size_t calls_done = 0;
  std::vector<bot_id> nudged;     ///< Told that updates may wait.
  std::weak_ptr<directory> names; ///< It holds the bots, which hold these notes.
  std::uint32_t under_way = 0;    ///< Calls that each bot says it is in the middle of.
  std::uint32_t delivering = 0;   ///< The same of updates.
  caf::error refusal;             ///< What calls are refused with.
  bool crowded = false;           ///< There is no place for a bot that is passive.
};

inline bot_actor::behavior_type fake_bot(bot_actor::pointer, std::shared_ptr<shard_notes> notes) {
  return {
    [=](const call& c) -> caf::result<grant> {
      if (notes->refusal)
        return notes->refusal;
      notes->calls.push_back(c);
      return grant{c.id, lease{1, 1, 0, 1, 0}, 1, {}};
    },
    [](const attempt_failed&) -> caf::result<grant> { return caf::make_error(ec::not_retried); },
    [=](const call_done&) { ++notes->calls_done; },
    [](call_cancelled) {},
    [](answer_streams) {},
    [](breaker_change) {},
    [](bot_command) {},
    [=](const updates_ready& x) { notes->nudged.push_back(x.bot); },
    [](const pull_request&) { return pull_answer{}; },
    [](const pull_cancel&) {},
    [](const passivate&) { return passivation{}; },
    [=](get_report) {
      bot_report x;
      x.running = notes->under_way;
      x.delivering = notes->delivering;
      return x;
    },
  };
}

/// A supervisor of bots that keeps the directory as the real one does.
inline bots_actor::behavior_type fake_shard(bots_actor::pointer self,
                                            std::shared_ptr<shard_notes> notes) {
  return {
    [](get_report) { return supervision_report{}; },
    [=](const start_bot& x) -> caf::result<caf::strong_actor_ptr> {
      notes->starts.push_back(x);
      auto bot = self->system().spawn(fake_bot, notes);
      if (auto names = notes->names.lock())
        names->attach(x.token_hash, x.bot, bot, bot_phase::active);
      return caf::actor_cast<caf::strong_actor_ptr>(bot);
    },
    [=](stop_bot x) { notes->stops.push_back(x.bot); },
    [](const identity_proven&) {},
    [=](const bot_command& x) { notes->commands.push_back(x); },
    [=](const activate_bot& x) -> caf::result<caf::strong_actor_ptr> {
      if (x.look)
        notes->nudged.push_back(x.bot);
      return caf::make_error(notes->crowded ? ec::too_many_bots : ec::unknown_bot);
    },
    [](const passivation_limits&) {},
  };
}

/// What the governor was told.
struct governor_notes {
  std::vector<bot_limits> bots;
  std::vector<std::vector<std::pair<tenant_id, std::uint32_t>>> tenants;
  std::vector<identity_proven> proofs;
};

inline rate_governor_actor::behavior_type fake_governor(rate_governor_actor::pointer,
                                                        std::shared_ptr<governor_notes> heard) {
  return {
    [](const permit_request&) -> caf::result<lease> { return caf::make_error(ec::cancelled); },
    [](const permit_cancel&) {},
    [](const permit_unused&) {},
    [](const flood_report&) {},
    [](const chat_charge&) {},
    [=](const bot_limits& x) { heard->bots.push_back(x); },
    [](const pool_capacity&) {},
    [](const capacity_change&) {},
    [](const credit&) {},
    [](const rate_limits&) {},
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [=](const tenant_limits& x) { heard->tenants.push_back(x.rates); },
    [=](const identity_proven& x) { heard->proofs.push_back(x); },
    [](const breaker_change&) {},
    [](const get_report&) { return governor_report{}; },
  };
}

/// The Bot API: knows some tokens.
struct fake_api final : net::call_port {
  struct me {
    bot_id id;
    std::string username;
  };
  std::map<std::string, me> known; ///< By token.
  std::vector<std::string> paths;
  std::vector<std::string> bodies;
  std::vector<std::string> types;
  std::vector<std::chrono::milliseconds> limits;
  std::deque<std::pair<outcome, net::api_answer>> next; ///< Answered before what is known.
  bool silent = false;                                  ///< No request is answered ...
  std::vector<std::function<void(outcome, net::api_answer)>> waiting; ///< ... unless by this.

  void perform(const lease&, net::api_request what, std::chrono::milliseconds limit,
               std::function<void(outcome, net::api_answer)> then) override {
    paths.push_back(what.path);
    bodies.push_back(what.body);
    types.push_back(what.content_type);
    limits.push_back(limit);
    if (silent)
      return waiting.push_back(std::move(then));
    if (!next.empty()) {
      auto [how, answer] = next.front();
      next.pop_front();
      return then(how, answer);
    }
    outcome how;
    auto token = what.path.substr(4, what.path.rfind('/') - 4);
    auto found = known.find(token);
    how.status = found == known.end() ? 401 : 200;
    net::api_answer answer{how.status, "application/json", R"({"ok":false,"error_code":401})"};
    if (found != known.end())
      answer.body = R"({"ok":true,"result":{"id":)" + std::to_string(found->second.id)
                    + R"(,"is_bot":true,"first_name":"Bot","username":")" + found->second.username
                    + R"("}})";
    then(how, answer);
  }
};

struct registrar_fixture : fixture {
  /// A node's start with what is stored.
  void boot() {
    caf::anon_send_exit(shard, caf::exit_reason::kill);
    if (registrar)
      caf::anon_send_exit(registrar, caf::exit_reason::kill);
    sched.run();
    notes = std::make_shared<shard_notes>();
    names = std::make_shared<directory>();
    notes->names = names;
    vault = std::make_shared<token_vault>();
    virtuals = std::make_shared<virtual_tokens>([this](std::string_view token) {
      return crypto::keyed_hash(context->lookup, crypto::purpose::virtual_token, token);
    });
    shard = sys.spawn(fake_shard, notes);
    found = std::make_shared<services>();
    found->bots[0].publish(shard);
    if (governed)
      found->rate_governor.publish(governor);
    names->set_complete(false);
    ports = {};
    ports.store = [this] { return who; };
    ports.found = found;
    ports.names = names;
    ports.token_key = {1, 2};
    ports.vault = vault;
    ports.virtuals = virtuals;
    ports.upstream = api;
    registrar = spawn_registrar(sys, {}, ports);
    sched.run();
  }
  void open(store::test_store& on) {
    start(on);
    boot();
  }
  ~registrar_fixture() override {
    for (auto& one : {caf::actor_cast<caf::actor>(registrar), caf::actor_cast<caf::actor>(shard),
                      caf::actor_cast<caf::actor>(governor)})
      if (one)
        caf::anon_send_exit(one, caf::exit_reason::kill);
    found->bots[0].publish({});
    found->rate_governor.publish({});
    sched.run();
  }

  template <class Request>
  auto tell(Request x) {
    auto pending = self->request(registrar, caf::infinite, std::move(x));
    sched.run();
    return pending;
  }
  template <class T, class Request>
  T want(Request x) {
    auto result = answer_of<T>(tell(std::move(x)));
    if (!result)
      FAIL("refused: " << result.error());
    return std::move(*result);
  }
  template <class T, class Request>
  store_refusal refused(Request x) {
    auto result = answer_of<T>(tell(std::move(x)));
    if (result)
      return store_refusal::none;
    if (result.error().category() != caf::type_id_v<store_refusal>)
      FAIL("another error: " << result.error());
    return static_cast<store_refusal>(result.error().code());
  }

  /// A bot that the Bot API knows. @returns its token
  std::string known(bot_id id, char fill = 'A') {
    auto token = token_of(id, fill);
    api->known[token] = {id, "bot_" + std::to_string(id)};
    return token;
  }
  bot_register registration(bot_id id, bool trusted = true) {
    bot_register x;
    x.by = ada();
    x.token.text = known(id);
    x.trusted = trusted;
    return x;
  }
  bot_row enrol(bot_id id) { return want<bot_row>(registration(id)); }
  bot_order order(bot_id id, bot_order_kind what, bool trusted = false) {
    return {ada(), 1, id, what, {}, trusted};
  }
  std::optional<directory::found> entry(const std::string& token) {
    return names->find(token_hash({1, 2}, token), sched.clock().now());
  }
  std::vector<bot_row> stored() {
    bot_query all;
    all.limit = 1000;
    return get<page<bot_row>>(all).rows;
  }

  bool governed = true; ///< There is a governor from a start on.
  std::shared_ptr<governor_notes> heard = std::make_shared<governor_notes>();
  rate_governor_actor governor = sys.spawn(fake_governor, heard);
  std::shared_ptr<shard_notes> notes;
  std::shared_ptr<directory> names;
  std::shared_ptr<token_vault> vault;
  std::shared_ptr<virtual_tokens> virtuals;
  std::shared_ptr<services> found = std::make_shared<services>();
  std::shared_ptr<fake_api> api = std::make_shared<fake_api>();
  bots_actor shard = sys.spawn(fake_shard, std::make_shared<shard_notes>());
  registrar_ports ports;
  registrar_actor registrar;
};

} // namespace troupe::durable_tests

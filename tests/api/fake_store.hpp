#pragma once
#include "messages/registrar.hpp"
#include "runtime/crypto/api_key.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>

#include <map>
#include <memory>
#include <optional>

/// A store and a registrar in memory, as messages/store.hpp and messages/registrar.hpp have them as
/// far as the API can see. Tokens are accepted unless they begin with 999.
namespace fakes {

using namespace troupe;

struct memory {
  std::map<std::string, key_row> keys; ///< By their text.
  std::map<tenant_id, tenant_row> tenants{{1, {.id = 1, .name = "default"}}};
  std::map<std::int64_t, user_row> users;
  std::map<bot_id, bot_row> bots;
  std::map<std::int64_t, virtual_token_row> tokens;
  std::map<bot_id, verification_row> codes;
  std::map<std::string, std::pair<std::string, idempotency_answer>> requests;
  std::vector<audit_row> trail;
  std::vector<method_call> calls;
  method_answer next_answer{200, "application/json", R"({"ok":true,"result":1})"};
  std::optional<caf::error> failure; ///< What store and registrar answer instead, but for keys.
  std::optional<caf::error> call_failure; ///< What a method_call is answered with instead.
  std::optional<caf::error> no_backup; ///< Why no copy is made.
  bool silent = false;               ///< They answer nothing, but for keys.
  bool restored = true; ///< As the registrar reports it.
  int busy = 0; ///< So many questions for bots are answered with `unavailable` first.
  std::vector<caf::response_promise> unanswered;
  usage_report usage;
  std::int64_t last_id = 100;

  std::string add_key(key_role role, tenant_id tenant, std::string name = "test",
                      std::int64_t user = 0) {
    auto kind = role == key_role::operator_ ? crypto::api_key_kind::operator_key
                                            : crypto::api_key_kind::tenant_key;
    auto key = crypto::make_api_key(kind, crypto::os_random());
    std::string text{key.reveal()};
    key_row row;
    row.id = ++last_id;
    row.tenant = tenant;
    row.user = user;
    row.role = role;
    row.name = std::move(name);
    row.prefix = crypto::api_key_prefix(text);
    row.created = 1'700'000'000'000;
    keys[text] = row;
    return text;
  }

  tenant_id add_tenant(std::string name) {
    auto id = static_cast<tenant_id>(tenants.rbegin()->first + 1);
    tenants[id] = {.id = id, .name = std::move(name), .created = 1'700'000'000'000};
    return id;
  }

  bot_row& add_bot(bot_id id, tenant_id tenant, bot_phase phase = bot_phase::active) {
    auto& row = bots[id];
    row.id = id;
    row.tenant = tenant;
    row.phase = phase;
    row.username = "bot_" + std::to_string(id);
    row.name = "Bot " + std::to_string(id);
    row.created = row.updated = row.since = 1'700'000'000'000;
    return row;
  }

  void note(const author& by, tenant_id tenant, std::string action, std::string subject) {
    audit_row row;
    row.id = ++last_id;
    row.at = 1'700'000'000'000 + row.id;
    row.by = by;
    row.tenant = tenant;
    row.action = std::move(action);
    row.subject = std::move(subject);
    row.outcome = "ok";
    trail.push_back(std::move(row));
  }

  bot_row* find(tenant_id tenant, bot_id id) {
    auto found = bots.find(id);
    return found == bots.end() || (tenant != 0 && found->second.tenant != tenant) ? nullptr
                                                                                  : &found->second;
  }
};

template <class Row, class Map, class Keep>
page<Row> page_of(const Map& from, std::int64_t after, std::uint32_t limit, Keep keep) {
  page<Row> result;
  for (auto& [id, row] : from) {
    if (static_cast<std::int64_t>(id) <= after || !keep(row))
      continue;
    if (result.rows.size() == limit) {
      result.more = true;
      break;
    }
    result.rows.push_back(row);
  }
  return result;
}

inline caf::error refuse(store_refusal why) {
  return caf::make_error(why);
}

/// A handler that fails or stays silent when the script says so.
template <class Answer, class Request, class F>
auto scripted(caf::event_based_actor* self, std::shared_ptr<memory> m, F f) {
  return [self, m, f](Request& what) -> caf::result<Answer> {
    if (m->silent) {
      m->unanswered.push_back(self->make_response_promise());
      return caf::delegated<Answer>{};
    }
    if (m->failure)
      return *m->failure;
    return f(what);
  };
}

store_actor spawn_store(caf::actor_system& sys, std::shared_ptr<memory> m);
registrar_actor spawn_registrar(caf::actor_system& sys, std::shared_ptr<memory> m);

} // namespace fakes

#define CAF_SUITE api.fake_store
#include "tests/api/fake_store.hpp"

#include "messages/all_ids.hpp"
#include "runtime/telegram/token.hpp"

#include <algorithm>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/test/bdd_dsl.hpp>

namespace fakes {
namespace {

using self_ptr = caf::event_based_actor*;
using script = std::shared_ptr<memory>;

caf::result<identity> identify(memory& m, authenticate& what) {
  auto found = m.keys.find(what.key.text);
  if (found == m.keys.end())
    return refuse(store_refusal::not_found);
  auto& row = found->second;
  if (row.revoked != 0)
    return refuse(store_refusal::revoked);
  if (row.expires == 1)
    return refuse(store_refusal::expired);
  if (row.tenant != 0 && m.tenants[row.tenant].suspended)
    return refuse(store_refusal::tenant_suspended);
  return identity{row, row.tenant == 0 ? "" : m.tenants[row.tenant].name};
}

caf::result<tenant_row> put_tenant(memory& m, tenant_put& what) {
  for (auto& [id, row] : m.tenants)
    if (row.name == what.row.name && id != what.row.id)
      return refuse(store_refusal::duplicate);
  if (what.row.id == 0)
    what.row.id = m.add_tenant(what.row.name);
  what.row.created = 1'700'000'000'000;
  m.tenants[what.row.id] = what.row;
  m.note(what.by, what.row.id, "tenant.put", "tenant:" + std::to_string(what.row.id));
  return what.row;
}

caf::result<done> remove_tenant(memory& m, tenant_remove& what) {
  for (auto& [id, bot] : m.bots)
    if (bot.tenant == what.id)
      return refuse(store_refusal::conflict);
  m.tenants.erase(what.id);
  return done{};
}

caf::message_handler keys_and_tenants(self_ptr self, script m) {
  return {
    [m](authenticate& what) { return identify(*m, what); },
    scripted<page<tenant_row>, tenant_query>(
      self, m,
      [m](tenant_query& what) {
        return page_of<tenant_row>(m->tenants, what.after, what.limit,
                                   [&](auto& row) { return what.id == 0 || row.id == what.id; });
      }),
    scripted<user_row, user_put>(self, m,
                                 [m](user_put& what) {
                                   what.row.id = ++m->last_id;
                                   what.row.created = 1'700'000'000'000;
                                   return m->users[what.row.id] = what.row;
                                 }),
    scripted<done, user_remove>(self, m,
                                [m](user_remove& what) -> caf::result<done> {
                                  if (m->users.erase(what.id) == 0)
                                    return refuse(store_refusal::not_found);
                                  return done{};
                                }),
    scripted<page<user_row>, user_query>(
      self, m,
      [m](user_query& what) {
        return page_of<user_row>(m->users, what.after, what.limit,
                                 [&](auto& row) { return row.tenant == what.tenant; });
      }),
    scripted<made_key, key_make>(
      self, m,
      [m](key_make& what) -> caf::result<made_key> {
        if (what.user != 0 && m->users.count(what.user) == 0)
          return refuse(store_refusal::invalid);
        auto text = m->add_key(what.role, what.tenant, what.name, what.user);
        auto& row = m->keys[text];
        row.expires = what.expires;
        m->note(what.by, what.tenant, "key.make", "key:" + std::to_string(row.id));
        return made_key{row, {text}};
      }),
    scripted<done, key_revoke>(
      self, m,
      [m](key_revoke& what) -> caf::result<done> {
        for (auto& [text, row] : m->keys)
          if (row.id == what.id && row.tenant == what.tenant && row.revoked == 0) {
            row.revoked = 1'800'000'000'000;
            m->note(what.by, what.tenant, "key.revoke", "key:" + std::to_string(row.id));
            return done{};
          }
        return refuse(store_refusal::not_found);
      }),
    scripted<page<key_row>, key_query>(
      self, m,
      [m](key_query& what) {
        std::map<std::int64_t, key_row> by_id;
        for (auto& [text, row] : m->keys)
          by_id[row.id] = row;
        return page_of<key_row>(by_id, what.after, what.limit,
                                [&](auto& row) { return row.tenant == what.tenant; });
      }),
    [m](audit_row& what) {
      what.id = ++m->last_id;
      what.at = 1'700'000'000'000 + what.id;
      m->trail.push_back(what);
      return what;
    },
    scripted<page<audit_row>, audit_query>(
      self, m,
      [m](audit_query& what) {
        page<audit_row> found;
        for (auto row = m->trail.rbegin(); row != m->trail.rend(); ++row) {
          if ((what.tenant != 0 && row->tenant != what.tenant)
              || (what.before != 0 && row->id >= what.before)
              || (!what.action.empty() && row->action != what.action)
              || (!what.subject.empty() && row->subject != what.subject))
            continue;
          if (found.rows.size() == what.limit) {
            found.more = true;
            break;
          }
          found.rows.push_back(*row);
        }
        return found;
      }),
    scripted<backup_done, backup_request>(self, m,
                                          [m](backup_request& what) -> caf::result<backup_done> {
                                            if (m->no_backup)
                                              return *m->no_backup;
                                            return backup_done{what.path, 4096,
                                                               std::chrono::seconds{1}};
                                          }),
    scripted<store_report, get_report>(self, m,
                                       [](get_report&) {
                                         store_report report;
                                         report.where = "sqlite:troupe.db";
                                         return report;
                                       }),
  };
}

caf::message_handler bots_and_records(self_ptr self, script m) {
  return {
    scripted<bot_batch, bot_lookup>(self, m,
                                    [m](bot_lookup& what) -> caf::result<bot_batch> {
                                      std::ranges::sort(what.ids);
                                      auto twice = std::ranges::unique(what.ids);
                                      what.ids.erase(twice.begin(), twice.end());
                                      if (m->busy-- > 0)
                                        return refuse(store_refusal::unavailable);
                                      bot_batch batch;
                                      for (auto id : what.ids) {
                                        if (auto* row = m->find(what.tenant, id))
                                          batch.bots.push_back(*row);
                                        else
                                          batch.missing.push_back(id);
                                      }
                                      return batch;
                                    }),
    scripted<page<bot_row>, bot_query>(
      self, m,
      [m](bot_query& what) {
        return page_of<bot_row>(m->bots, what.after, what.limit, [&](auto& row) {
          return (what.tenant == 0 || row.tenant == what.tenant)
                 && (what.any_phase || row.phase == what.phase);
        });
      }),
    scripted<page<virtual_token_row>, virtual_token_query>(
      self, m,
      [m](virtual_token_query& what) {
        return page_of<virtual_token_row>(m->tokens, what.after, what.limit,
                                          [&](auto& row) { return row.bot == what.bot; });
      }),
    scripted<verification_row, verification_make>(
      self, m,
      [m](verification_make& what) -> caf::result<verification_row> {
        if (m->find(what.tenant, what.bot) == nullptr)
          return refuse(store_refusal::not_found);
        verification_row row{what.bot, {"ABCDEFGH12"}, 0, 1, 4'000'000'000'000};
        m->codes[what.bot] = row;
        m->note(what.by, what.tenant, "bot.verify", "bot:" + std::to_string(what.bot));
        return row;
      }),
    scripted<verification_row, verification_query>(
      self, m,
      [m](verification_query& what) -> caf::result<verification_row> {
        auto found = m->codes.find(what.bot);
        if (found == m->codes.end())
          return refuse(store_refusal::not_found);
        auto row = found->second;
        row.code.text.clear();
        return row;
      }),
    scripted<health_row, health_query>(self, m,
                                       [](health_query&) -> caf::result<health_row> {
                                         return refuse(store_refusal::not_found);
                                       }),
    scripted<usage_report, usage_query>(self, m, [m](usage_query&) { return m->usage; }),
    scripted<idempotency_answer, idempotency_begin>(
      self, m,
      [m](idempotency_begin& what) {
        auto [found, first] = m->requests.try_emplace(what.key, what.body, idempotency_answer{});
        auto answer = found->second.second;
        if (first)
          found->second.second.what = idempotency_what::running;
        else if (found->second.first != what.body)
          answer.what = idempotency_what::other_body;
        return answer;
      }),
    [m](idempotency_end& what) {
      if (what.how == idempotency_end_kind::forget) {
        m->requests.erase(what.key);
        return done{};
      }
      auto& answer = m->requests[what.key].second;
      answer = what.answer;
      answer.what = what.how == idempotency_end_kind::finish ? idempotency_what::finished
                                                              : idempotency_what::outcome_unknown;
      return done{};
    },
  };
}

caf::result<bot_row> enroll(memory& m, bot_register& what) {
  auto token = telegram::bot_token::parse(what.token.text);
  if (!token)
    return refuse(store_refusal::token_malformed);
  if (m.bots.count(token->id()) > 0)
    return refuse(store_refusal::duplicate);
  if (m.tenants.count(what.tenant) == 0)
    return refuse(store_refusal::not_found);
  if (what.token.text.starts_with("999"))
    return refuse(store_refusal::token_rejected);
  auto& row = m.add_bot(token->id(), what.tenant,
                        what.trusted ? bot_phase::active : bot_phase::pending);
  if (!what.name.empty())
    row.name = what.name;
  row.rps = what.rps;
  row.concurrent = what.concurrent;
  row.settings = what.settings;
  m.note(what.by, what.tenant, "bot.register", "bot:" + std::to_string(row.id));
  return row;
}

caf::result<bot_row> carry_out(memory& m, bot_order& what) {
  auto* row = m.find(what.tenant, what.bot);
  if (row == nullptr)
    return refuse(store_refusal::not_found);
  if (row->phase == bot_phase::pending && !what.trusted)
    return refuse(store_refusal::not_verified);
  if (what.what == bot_order_kind::resume && row->phase != bot_phase::suspended)
    return refuse(store_refusal::wrong_phase);
  row->phase = what.what == bot_order_kind::suspend ? bot_phase::suspended : bot_phase::active;
  row->reason = what.reason;
  m.note(what.by, row->tenant, "bot." + to_string(what.what), "bot:" + std::to_string(row->id));
  return *row;
}

caf::result<bot_row> change(memory& m, bot_change& what) {
  auto* row = m.find(what.tenant, what.bot);
  if (row == nullptr)
    return refuse(store_refusal::not_found);
  if (what.version != 0 && what.version != row->version)
    return refuse(store_refusal::conflict);
  row->name = what.name;
  row->rps = what.rps;
  row->concurrent = what.concurrent;
  row->settings = what.settings;
  ++row->version;
  return *row;
}

caf::behavior registrar(self_ptr self, script m) {
  return {
    scripted<bot_row, bot_register>(self, m, [m](bot_register& what) { return enroll(*m, what); }),
    scripted<bot_row, bot_order>(self, m, [m](bot_order& what) { return carry_out(*m, what); }),
    scripted<bot_row, bot_change>(self, m, [m](bot_change& what) { return change(*m, what); }),
    scripted<bot_row, bot_rotate>(self, m,
                                  [m](bot_rotate& what) -> caf::result<bot_row> {
                                    auto* row = m->find(what.tenant, what.bot);
                                    if (row == nullptr)
                                      return refuse(store_refusal::not_found);
                                    auto token = telegram::bot_token::parse(what.token.text);
                                    if (!token)
                                      return refuse(store_refusal::token_malformed);
                                    if (token->id() != what.bot)
                                      return refuse(store_refusal::token_of_other_bot);
                                    return *row;
                                  }),
    scripted<bot_row, bot_remove>(self, m,
                                  [m](bot_remove& what) -> caf::result<bot_row> {
                                    auto* row = m->find(what.tenant, what.bot);
                                    if (row == nullptr)
                                      return refuse(store_refusal::not_found);
                                    auto copy = *row;
                                    m->bots.erase(what.bot);
                                    return copy;
                                  }),
    scripted<made_virtual_token, virtual_token_make>(
      self, m,
      [m](virtual_token_make& what) -> caf::result<made_virtual_token> {
        auto* row = m->find(what.tenant, what.bot);
        if (row == nullptr)
          return refuse(store_refusal::not_found);
        virtual_token_row token{++m->last_id, row->tenant, row->id, what.name, what.methods, 1,
                                what.expires, 0};
        m->tokens[token.id] = token;
        return made_virtual_token{token, {std::to_string(row->id) + ":" + std::string(35, 'v')}};
      }),
    scripted<done, virtual_token_revoke>(self, m,
                                         [m](virtual_token_revoke& what) -> caf::result<done> {
                                           auto found = m->tokens.find(what.id);
                                           if (found == m->tokens.end()
                                               || found->second.bot != what.bot)
                                             return refuse(store_refusal::not_found);
                                           m->tokens.erase(found);
                                           return done{};
                                         }),
    scripted<method_answer, method_call>(self, m,
                                         [m](method_call& what) -> caf::result<method_answer> {
                                           if (m->find(what.tenant, what.bot) == nullptr)
                                             return refuse(store_refusal::not_found);
                                           if (m->call_failure)
                                             return *m->call_failure;
                                           m->calls.push_back(what);
                                           return m->next_answer;
                                         }),
    scripted<tenant_row, tenant_put>(self, m,
                                     [m](tenant_put& what) { return put_tenant(*m, what); }),
    scripted<done, tenant_remove>(self, m,
                                  [m](tenant_remove& what) { return remove_tenant(*m, what); }),
    scripted<registrar_report, get_report>(self, m,
                                           [m](get_report&) {
                                             registrar_report report;
                                             report.bots = m->bots.size();
                                             report.restored = m->restored;
                                             return report;
                                           }),
  };
}

} // namespace

store_actor spawn_store(caf::actor_system& sys, std::shared_ptr<memory> m) {
  auto store = sys.spawn([m](self_ptr self) -> caf::behavior {
    return bots_and_records(self, m).or_else(keys_and_tenants(self, m));
  });
  return caf::actor_cast<store_actor>(store);
}

registrar_actor spawn_registrar(caf::actor_system& sys, std::shared_ptr<memory> m) {
  return caf::actor_cast<registrar_actor>(
    sys.spawn([m](self_ptr self) { return registrar(self, m); }));
}

} // namespace fakes

namespace troupe::fake_store_suite {

SCENARIO("the fake store knows keys, and fails or is silent when it is told to") {
  auto m = std::make_shared<fakes::memory>();
  caf::actor_system_config cfg;
  caf::actor_system sys{cfg};
  auto store = fakes::spawn_store(sys, m);
  auto text = m->add_key(key_role::admin, 1);
  caf::scoped_actor self{sys};
  auto fails = [&]<class Answer>(auto what, Answer) {
    caf::error why;
    self->request(store, std::chrono::seconds{5}, what)
      .receive([](const Answer&) {}, [&](const caf::error& x) { why = x; });
    return why;
  };
  CHECK(!fails(authenticate{{text}}, identity{}));
  CHECK_EQ(fails(authenticate{{"x"}}, identity{}), caf::make_error(store_refusal::not_found));
  CHECK(!fails(tenant_query{}, page<tenant_row>{}));
  m->failure = caf::make_error(store_refusal::disk_full);
  CHECK_EQ(fails(tenant_query{}, page<tenant_row>{}), caf::make_error(store_refusal::disk_full));
  caf::anon_send_exit(store, caf::exit_reason::kill);
}

} // namespace troupe::fake_store_suite

#include "actors/registrar/state.hpp"
#include "messages/supervisor.hpp"
#include "runtime/registry/trail_entry.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/telegram/token.hpp"

#include <boost/json/serialize.hpp>

#include <caf/send.hpp>

/// What is asked of the registrar. The store comes first: when it has said yes, the rest cannot
/// fail, and a restart in between finishes it.
namespace troupe::registering {

using caf::expected;
using telegram::bot_token;

caf::error registrar_state::refuse(const author& by, tenant_id tenant, bot_id bot,
                                   std::string action, store_refusal why) {
  enter(by, tenant, bot, std::move(action), to_string(why));
  return caf::make_error(why);
}

void registrar_state::enter(const author& by, tenant_id tenant, bot_id bot, std::string action,
                            std::string outcome) {
  audit_row row;
  row.by = by;
  row.tenant = tenant;
  row.action = std::move(action);
  row.subject = "bot:" + std::to_string(bot);
  row.outcome = std::move(outcome);
  enter_in_trail(self->system(), ports.store, std::move(row));
}

void registrar_state::find_row(tenant_id tenant, bot_id bot,
                               std::function<void(expected<bot_row>)> then) {
  ask_store<bot_batch>(bot_lookup{tenant, {bot}}, [then](expected<bot_batch> found) {
    if (!found)
      return then(std::move(found.error()));
    if (found->bots.empty())
      return then(caf::make_error(store_refusal::not_found));
    then(std::move(found->bots.front()));
  });
}

// -- register and rotate --------------------------------------------------------------------------

caf::result<bot_row> registrar_state::enrol(const bot_register& x) {
  constexpr auto action = "bot.register";
  auto token = bot_token::parse(x.token.text);
  if (!token)
    return refuse(x.by, x.tenant, 0, action, store_refusal::token_malformed);
  return in_turn<bot_row>(token->id(), x, [this, x, action](operation<bot_row> op) {
    // Before anything is asked of the upstream with it; but whoever does not show that he has the
    // token learns nothing of another tenant's bots.
    auto there = bots.find(op.bot);
    auto held = ports.vault->find(op.bot);
    if (there != bots.end()
        && (there->second.tenant == x.tenant || (held && *held == x.token.text)))
      return finish<bot_row>(op, refuse(x.by, x.tenant, op.bot, action, store_refusal::duplicate));
    probe(x.token.text, op.bot, x.tenant, x.patience, [=, this](expected<bot_face> face) mutable {
      if (!face) {
        auto why = static_cast<store_refusal>(face.error().code());
        return finish<bot_row>(op, refuse(x.by, x.tenant, op.bot, action, why));
      }
      bot_insert what;
      what.by = x.by;
      what.token = x.token;
      auto& row = what.bot;
      row.id = op.bot;
      row.tenant = x.tenant;
      row.username = face->username;
      row.name = x.name.empty() ? face->name : x.name;
      row.phase = x.trusted ? bot_phase::active : bot_phase::pending;
      row.rps = x.rps;
      row.concurrent = x.concurrent;
      row.settings = x.settings;
      if (x.trusted) // The operator's word counts as the proof.
        row.verified = wall();
      ask_store<bot_row>(std::move(what), [=, this](expected<bot_row> stored) mutable {
        if (stored)
          serve(*stored, x.token.text);
        if (stored || stored.error() != store_refusal::outcome_unknown)
          return finish(op, std::move(stored));
        // It may be there: then it is served, whatever the caller does now.
        find_row(x.tenant, op.bot, [=, this](expected<bot_row> row) mutable {
          if (row)
            serve(*row, x.token.text);
          finish(op, std::move(stored));
        });
      });
    });
  });
}

caf::result<bot_row> registrar_state::rotate(const bot_rotate& x) {
  constexpr auto action = "bot.rotate-token";
  auto token = bot_token::parse(x.token.text);
  if (!token)
    return refuse(x.by, x.tenant, x.bot, action, store_refusal::token_malformed);
  if (token->id() != x.bot)
    return refuse(x.by, x.tenant, x.bot, action, store_refusal::token_of_other_bot);
  return in_turn<bot_row>(x.bot, x, [this, x, action](operation<bot_row> op) {
    find_row(x.tenant, x.bot, [=, this](expected<bot_row> row) mutable {
      if (!row)
        return finish<bot_row>(op, refuse(x.by, x.tenant, x.bot, action,
                                          static_cast<store_refusal>(row.error().code())));
      // A bot that stopped because of its token is tried with it again: Telegram may have erred.
      auto known = ports.vault->find(x.bot);
      if (row->phase != bot_phase::unauthorized && known && *known == x.token.text) {
        enter(x.by, row->tenant, x.bot, action, "unchanged"); // It has this token.
        return finish(op, std::move(row));
      }
      probe(x.token.text, x.bot, row->tenant, x.patience,
            [=, this](expected<bot_face> face) mutable {
              if (!face) {
                auto why = static_cast<store_refusal>(face.error().code());
                return finish<bot_row>(op, refuse(x.by, row->tenant, x.bot, action, why));
              }
              bot_token_set what{x.by, x.tenant, x.bot, x.token, true};
              ask_store<bot_row>(std::move(what), [=, this](expected<bot_row> stored) mutable {
                if (stored)
                  serve(*stored, x.token.text);
                tell_changed(x.bot, [=, this]() mutable { finish(op, std::move(stored)); });
              });
            });
    });
  });
}

// -- orders ---------------------------------------------------------------------------------------

namespace {

/// What a bot's row becomes by an order: nothing if it is so already.
expected<std::optional<bot_phase>> after(const bot_order& x, const bot_row& row) {
  using enum bot_phase;
  auto at = row.phase;
  auto wrong = [] { return caf::make_error(store_refusal::wrong_phase); };
  std::optional<bot_phase> stays;
  switch (x.what) {
  case bot_order_kind::activate:
    if (at == active)
      return stays;
    if (at == pending && row.verified == 0 && !x.trusted)
      return caf::make_error(store_refusal::not_verified);
    if (at != pending && at != passive)
      return wrong();
    return std::optional{active};
  case bot_order_kind::suspend:
    if (at == suspended)
      return stays;
    if (at == unauthorized)
      return wrong();
    return std::optional{suspended};
  case bot_order_kind::resume:
    if (at == active || at == pending)
      return stays;
    if (at != suspended)
      return wrong();
    return std::optional{row.verified != 0 ? active : pending};
  case bot_order_kind::restart:
    if (at != active && at != quarantined)
      return wrong();
    return std::optional{active};
  }
  return wrong();
}

} // namespace

caf::result<bot_row> registrar_state::order(const bot_order& x) {
  return in_turn<bot_row>(x.bot, x, [this, x](operation<bot_row> op) {
    find_row(x.tenant, x.bot, [=, this](expected<bot_row> row) mutable {
      if (row)
        return carry_out(op, x, *row, 3);
      finish<bot_row>(op, refuse(x.by, x.tenant, x.bot, "bot." + to_string(x.what),
                                 static_cast<store_refusal>(row.error().code())));
    });
  });
}

void registrar_state::carry_out(operation<bot_row> op, const bot_order& x, const bot_row& row,
                                int tries) {
  auto action = "bot." + to_string(x.what);
  auto to = after(x, row);
  if (!to)
    return finish<bot_row>(
      op, refuse(x.by, row.tenant, x.bot, action, static_cast<store_refusal>(to.error().code())));
  if (!*to) {
    apply(row); // Stored by a request that never heard of it, perhaps.
    enter(x.by, row.tenant, x.bot, action, "unchanged");
    return finish<bot_row>(op, row);
  }
  bot_state_set what;
  what.by = x.by;
  what.action = action;
  what.tenant = x.tenant;
  what.bot = x.bot;
  what.version = row.version;
  what.phase = **to;
  what.reason = x.what == bot_order_kind::suspend ? x.reason : "";
  what.vouched = x.what == bot_order_kind::activate && x.trusted;
  ask_store<bot_row>(std::move(what), [=, this](expected<bot_row> stored) mutable {
    if (!stored && stored.error() == store_refusal::conflict && tries > 1)
      return find_row(x.tenant, x.bot, [=, this](expected<bot_row> again) mutable {
        if (!again)
          return finish<bot_row>(op, std::move(again.error()));
        carry_out(op, x, *again, tries - 1);
      });
    if (stored) {
      apply(*stored);
      // Its shard may know of a quarantine that the row does not tell.
      if (auto shard = ports.found->bots_of(x.bot); shard && x.what == bot_order_kind::restart)
        caf::anon_send(shard, bot_command{x.bot, bot_phase::starting});
      tell_phase(*stored, to_string(x.what));
      return when_told(x.bot, [=, this]() mutable { finish(op, std::move(stored)); });
    }
    finish(op, std::move(stored));
  });
}

void registrar_state::tell_phase(const bot_row& row, std::string_view order) const {
  if (!ports.found->updates)
    return;
  // A row that was removed says what it was; the bot is stopped for good.
  auto phase = order == "remove" ? bot_phase::stopped : row.phase;
  ports.found->updates->events.publish(row.id, "phase", [&] {
    return boost::json::serialize(
      boost::json::object{{"phase", to_string(phase)}, {"order", order}, {"reason", row.reason}});
  });
}

// -- the rest -------------------------------------------------------------------------------------

caf::result<bot_row> registrar_state::change(const bot_change& x) {
  return in_turn<bot_row>(x.bot, x, [this, x](operation<bot_row> op) {
    ask_store<bot_row>(x, [=, this](expected<bot_row> stored) mutable {
      if (stored)
        apply(*stored);
      tell_changed(x.bot, [=, this]() mutable { finish(op, std::move(stored)); });
    });
  });
}

caf::result<bot_row> registrar_state::remove(const bot_remove& x) {
  return in_turn<bot_row>(x.bot, x, [this, x](operation<bot_row> op) {
    auto take_out = [=, this] {
      ask_store<bot_row>(x, [=, this](expected<bot_row> stored) mutable {
        auto served = bots.find(x.bot);
        // One that is served and not stored was removed by a request that never heard of it.
        if (stored
            || (stored.error() == store_refusal::not_found && served != bots.end()
                && (x.tenant == 0 || served->second.tenant == x.tenant))) {
          forget(x.bot);
          if (stored)
            tell_phase(*stored, "remove");
        } else if (served != bots.end()) { // It stays, and so do its updates.
          if (is_asleep(phase_of(served->second)))
            return sleep_again(x.bot, [=, this]() mutable { finish(op, std::move(stored)); });
          tell_intake(x.bot, served->second);
        }
        finish(op, std::move(stored));
      });
    };
    // Only the tenant's own: nobody else may have anything changed at Telegram.
    auto served = bots.find(x.bot);
    bool may = served != bots.end() && (x.tenant == 0 || served->second.tenant == x.tenant);
    if (may)
      release(x.bot, take_out);
    else
      take_out();
  });
}

caf::result<made_virtual_token> registrar_state::make_token(const virtual_token_make& x) {
  return in_turn<made_virtual_token>(x.bot, x, [this, x](operation<made_virtual_token> op) {
    ask_store<made_virtual_token>(x, [=, this](expected<made_virtual_token> made) mutable {
      if (made)
        ports.virtuals->put(ports.virtuals->hash_of(made->token.text), entry_of(made->row));
      finish(op, std::move(made));
    });
  });
}

caf::result<done> registrar_state::revoke_token(const virtual_token_revoke& x) {
  return in_turn<done>(x.bot, x, [this, x](operation<done> op) {
    ask_store<done>(x, [=, this](expected<done> revoked) mutable {
      // Unknown: rather one that is refused until the next start than one that is not.
      if (revoked || revoked.error() == store_refusal::outcome_unknown)
        ports.virtuals->erase(x.bot, x.id);
      tell_changed(x.bot, [=, this]() mutable { finish(op, std::move(revoked)); });
    });
  });
}

caf::result<code_verdict> registrar_state::verify(const verification_try& x) {
  return in_turn<code_verdict>(x.bot, x, [this, x](operation<code_verdict> op) {
    ask_store<code_verdict>(x, [=, this](expected<code_verdict> verdict) mutable {
      if (!verdict || *verdict != code_verdict::verified)
        return finish(op, std::move(verdict));
      // The proof is stored. That the bot is active from now on follows from it: here, or by the
      // order to activate it.
      bot_order follow{{}, 0, x.bot, bot_order_kind::activate, {}, false};
      find_row(0, x.bot, [=, this](expected<bot_row> row) mutable {
        auto to = row ? after(follow, *row) : std::optional<bot_phase>{};
        if (!to || !*to)
          return finish(op, std::move(verdict));
        bot_state_set what;
        what.action = "bot.activate";
        what.bot = x.bot;
        what.version = row->version;
        what.phase = **to;
        ask_store<bot_row>(std::move(what), [=, this](const expected<bot_row>& stored) mutable {
          if (stored) {
            apply(*stored);
            tell_phase(*stored, "activate");
          }
          finish(op, std::move(verdict));
        });
      });
    });
  });
}

} // namespace troupe::registering

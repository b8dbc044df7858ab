#pragma once
#include "actors/gateway/session.hpp"
#include "actors/gateway/updates.hpp"
#include "messages/registrar.hpp"
#include "messages/updates.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/telegram/methods.hpp"

namespace troupe::gateway {

/// What is known here of the settings of another node's bot.
inline std::shared_ptr<const updates::update_settings> as_known(const bot_found& x) {
  auto result = std::make_shared<updates::update_settings>();
  if (x.named)
    result->intake.allowed_updates = x.kinds;
  return result;
}

/// Whether Troupe itself receives this bot's updates, so that getUpdates and the webhook methods
/// are its own.
template <class Stream>
bool session<Stream>::receives_updates(bot_id bot) const {
  const auto& updates = ctx_->ports.found->updates;
  auto settings = updates ? updates->book.find(bot) : nullptr;
  return settings && settings->intake.mode != updates::intake_mode::none;
}

/// getUpdates and the webhook methods of such a bot. @returns whether the connection goes on
template <class Stream>
task<bool> session<Stream>::serve_updates(request_facts& facts, const directory::found& entry) {
  if (!body_.complete)
    co_return co_await fail(413, "Request Entity Too Large");
  auto body = body_.chunked ? std::string_view{head_->body} : view(in_).substr(0, body_.held);
  auto params = read_update_params(facts.where.query, body, head_->content_type,
                                   head_->content_encoding);
  std::string kept_body{facts.abroad ? body : std::string_view{}};
  in_.consume(body_.held);
  ++ctx_->calls_total;
  facts.bot = entry.bot;
  auto settings = facts.abroad ? as_known(*facts.abroad)
                               : ctx_->ports.found->updates->book.find(entry.bot);
  const auto& method = telegram::method(facts.method);
  const bool polls = method.has(telegram::method_trait::long_poll);
  if (!polls || (settings && changes_kinds(params, *settings))) {
    steering_ports ports;
    ports.found = ctx_->ports.found;
    ports.store = ctx_->ports.store;
    ports.virtual_token = facts.worker;
    boost::system::error_code gone;
    if (auto peer = socket().remote_endpoint(gone); !gone)
      ports.client = peer.address().to_string();
    enter(state::writing, clock::duration::max()); // It is carried out, also if the client leaves.
    if (facts.abroad) {
      bot_steer what{entry.bot, entry.tenant, std::string{method.name},
                     std::string{facts.where.query},
                     std::move(kept_body), head_->content_type, head_->content_encoding,
                     ports.client, facts.worker};
      ctx_->others->drop(token_hash(ctx_->ports.token_key, facts.where.token));
      request(ctx_->ports.found->cluster->desk_of(entry.bot), what);
      co_await answered();
    } else {
      auto steering = spawn_steering(ctx_->lane().system(), std::move(ports), params);
      method_call what;
      what.tenant = entry.tenant;
      what.bot = entry.bot;
      what.method = std::string{method.name};
      request(steering, what);
      co_await answered();
      // It sees what its settings are; it may have left memory meanwhile.
      ctx_->lane().tell(ctx_->ports.found->bots_of(entry.home), activate_bot{entry.home, true});
    }
    auto* said = std::get_if<method_answer>(&*verdict_);
    if (!said || !polls || said->status != 200) {
      count(facts, said && said->status == 200 ? "ok" : "refused", caf::timespan{0});
      auto text = said ? refusal_text{said->status, said->body, said->status == 503 ? 1 : 0}
                       : explain(caf::make_error(ec::draining));
      co_return co_await refuse(text, facts.keep_alive);
    }
  }
  bot_ = entry.actor;
  foreign_ = facts.abroad.has_value();
  bool more = co_await serve_pull(facts, params);
  bot_ = nullptr;
  co_return more;
}

/// A poll: the bot answers at once, when something came, or when its time is over.
template <class Stream>
task<bool> session<Stream>::serve_pull(request_facts& facts, const update_params& params) {
  pull_request what;
  what.id = call_ = next_call_id();
  what.offset = params.offset;
  what.limit = params.limit;
  what.timeout = params.timeout;
  what.worker = facts.worker;
  polling_ = pulling_ = true;
  poll_ended_ = ctx_->draining; // Since the head was read.
  std::optional<refusal_text> refused;
  std::vector<shared_text> updates;
  while (!gone_ && !poll_ended_) {
    enter(state::waiting, clock::duration::max());
    request(bot_, what);
    co_await answered();
    if (auto* found = std::get_if<pull_answer>(&*verdict_)) {
      updates = std::move(found->updates);
      break;
    }
    auto* why = std::get_if<caf::error>(&*verdict_);
    if (gone_ || poll_ended_)
      break;
    bool died = !why || why->category() == caf::type_id_v<caf::sec> || has_moved(*why);
    if (died && clock::now() >= facts.wait_until) // It asks again anyway.
      break;
    if (!died) {
      refused = explain(*why);
      break;
    }
    directory::found again;
    bool known = co_await find_bot(facts, again);
    if (!known) {
      polling_ = pulling_ = false;
      co_return false;
    }
    if (again.actor == bot_) // Its supervisor has not heard of its end yet.
      co_await pause(first_lookup_pause);
    bot_ = again.actor;
    foreign_ = facts.abroad.has_value();
  }
  polling_ = pulling_ = false;
  if (gone_)
    co_return false;
  bool keep_alive = facts.keep_alive && !ctx_->draining;
  count(facts, refused ? "refused" : "ok", caf::timespan{0});
  if (refused)
    co_return co_await refuse(*refused, keep_alive);
  auto bytes = make_answer(200, updates_body(updates), keep_alive);
  co_return co_await answer(std::move(bytes), keep_alive);
}

} // namespace troupe::gateway

#pragma once
#include "actors/gateway/session.hpp"
#include "actors/gateway/session_find.hpp"
#include "messages/cluster.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/telegram/token.hpp"

namespace troupe::gateway {

/// Whether this node serves the bot's shard now.
template <class Stream>
bool session<Stream>::is_here(bot_id bot) const {
  const auto& view = *ctx_->ports.found->cluster;
  return view.serves(bot, clock::now()) && view.is_ready(shard_of(bot));
}

/// The node's life among others, in which an exchange may begin. 0: none may, for the node was
/// paused or cut off until others may act in its place.
template <class Stream>
std::int64_t session<Stream>::life_now() const {
  return ctx_->others ? ctx_->ports.found->cluster->may_begin(clock::now()) : 1;
}

/// Whose bot is it? One of another node is found through that node's desk; while its shard is on
/// its way between two nodes, or its node was lost and nobody has it yet, the call waits.
/// @returns here: it is this node's, look there; refused: answered
template <class Stream>
task<typename session<Stream>::whereabouts>
session<Stream>::look_abroad(request_facts& facts, bot_id bot, directory::found& entry) {
  const auto& view = *ctx_->ports.found->cluster;
  const auto digest = token_hash(ctx_->ports.token_key, facts.where.token);
  auto length = first_lookup_pause;
  for (;;) {
    if (is_here(bot)) {
      facts.abroad.reset();
      co_return whereabouts::here;
    }
    const auto changes = view.changes(shard_of(bot)); // Before it is asked.
    const auto asked = clock::now();
    if (const auto* known = ctx_->others->find(digest, changes, asked)) {
      if (known->actor && known->actor != caf::actor_cast<caf::strong_actor_ptr>(bot_)) {
        take_over(facts, *known, entry);
        co_return whereabouts::abroad;
      }
      ctx_->others->drop(digest); // The one whose call just failed.
    }
    if (auto desk = view.desk_of(bot)) {
      enter(state::waiting, clock::duration::max());
      bot_find what{bot, {std::string{facts.where.token}}};
      request(desk, what);
      co_await answered();
      if (auto* said = std::get_if<bot_found>(&*verdict_)) {
        ctx_->others->put(digest, *said, changes, asked);
        take_over(facts, *said, entry);
        co_return whereabouts::abroad;
      }
      auto* why = std::get_if<caf::error>(&*verdict_);
      bool moving = !why || why->category() == caf::type_id_v<caf::sec> || *why == ec::draining
                    || *why == ec::stopped;
      if (!moving) {
        auto text = explain(*why);
        co_await refuse(text, false);
        co_return whereabouts::refused;
      }
    }
    if (clock::now() >= facts.wait_until || gone_) {
      auto text = explain(caf::make_error(ec::stopped, refusal{std::chrono::seconds{1}}));
      co_await refuse(text, false);
      co_return whereabouts::refused;
    }
    co_await pause(length);
    length = std::min(2 * length, lookup_pause);
  }
}

/// What the bot's node said of it, as the rest of the call needs it.
template <class Stream>
void session<Stream>::take_over(request_facts& facts, const bot_found& what,
                                directory::found& entry) {
  entry = {};
  entry.bot = entry.home = what.bot;
  entry.tenant = what.tenant;
  entry.phase = bot_phase::active;
  entry.proven = true;
  entry.actor = caf::actor_cast<bot_actor>(what.actor);
  facts.abroad = what;
  if (what.worker != 0 && head_->replace_token(facts.where.token, what.own.text)) {
    facts.where.token = what.own.text;
    facts.only = what.methods;
    facts.worker = what.worker;
  }
}

} // namespace troupe::gateway

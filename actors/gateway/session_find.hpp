#pragma once
#include "actors/gateway/session.hpp"
#include "messages/supervisor.hpp"
#include "runtime/telegram/methods.hpp"
#include "runtime/telegram/token.hpp"

#include <algorithm>

namespace troupe::gateway {

/// A bot that is being started or restarted is looked for again after a pause: this first, then
/// twice as long each time, up to the second.
inline constexpr std::chrono::microseconds first_lookup_pause{200};
inline constexpr std::chrono::microseconds lookup_pause{25'000};

/// Finds the bot of the request's token if it runs: the usual case, without a coroutine.
template <class Stream>
bool session<Stream>::find_running(const request_facts& facts, directory::found& entry) {
  if (ctx_->config.demo_faults)
    return false;
  auto hit =
    ctx_->ports.bots->find(token_hash(ctx_->ports.token_key, facts.where.token), facts.arrived);
  bool runs = hit && hit->actor && hit->phase != bot_phase::suspended;
  if (!runs || (ctx_->others && !is_here(hit->home)))
    return false;
  entry = std::move(*hit);
  return true;
}

/// Finds the bot of the request's token, waiting while it is being restarted.
/// @returns false when the request was refused
template <class Stream>
task<bool> session<Stream>::find_bot(request_facts& facts, directory::found& entry) {
  auto token = telegram::bot_token::parse(facts.where.token);
  if (!token) {
    auto text = explain(caf::make_error(ec::unknown_bot));
    co_await refuse(text, false);
    co_return false;
  }
  for (;;) {
    if (ctx_->others) {
      auto where = co_await look_abroad(facts, token->id(), entry);
      if (where != whereabouts::here)
        co_return where == whereabouts::abroad;
    }
    bool moved = false;
    bool found = co_await find_here(facts, entry, moved);
    if (!moved)
      co_return found;
  }
}

/// The same among this node's bots. @param moved set, and nothing answered, when it is this node's
/// no more
template <class Stream>
task<bool> session<Stream>::find_here(request_facts& facts, directory::found& entry, bool& moved) {
  auto token = telegram::bot_token::parse(facts.where.token);
  if (stand_in(facts))
    token = telegram::bot_token::parse(facts.where.token);
  auto digest = token_hash(ctx_->ports.token_key, facts.where.token);
  auto why = ec::unknown_bot;
  clock::duration rest{0};
  auto length = first_lookup_pause;
  bool adopted = false;
  for (;;) {
    auto hit = ctx_->ports.bots->find(digest, clock::now());
    bool rests = hit && hit->phase == bot_phase::suspended; // Its actor may not know it yet.
    if (hit && hit->actor && !rests) {
      if (ctx_->config.demo_faults && head_->crash == "bot") {
        head_->crash.clear(); // Once, not again when its successor gets the call.
        caf::anon_send_exit(hit->actor, caf::exit_reason::kill);
      }
      entry = *hit;
      co_return true;
    }
    if (hit && (hit->phase == bot_phase::passive || hit->phase == bot_phase::passivating)) {
      auto refused = co_await activate(*hit);
      if (!refused)
        continue;
      if (refused == ec::too_many_bots || clock::now() >= facts.wait_until) {
        auto text = explain(refused);
        co_await refuse(text, false);
        co_return false;
      }
    } else if (hit) {
      why = hit->phase == bot_phase::unauthorized  ? ec::unauthorized
            : hit->phase == bot_phase::suspended   ? ec::suspended
            : hit->phase == bot_phase::quarantined ? ec::quarantined
                                                   : ec::stopped;
      if (why == ec::quarantined)
        rest = std::max<clock::duration>(hit->until - clock::now(), std::chrono::milliseconds{1});
      if (why != ec::stopped || clock::now() >= facts.wait_until)
        break;
    } else if (!ctx_->ports.bots->complete()) { // It may be one of those that are still to come.
      why = ec::stopped;
      if (clock::now() >= facts.wait_until)
        break;
      bool stands_in = stand_in(facts);
      if (stands_in)
        digest = token_hash(ctx_->ports.token_key, facts.where.token);
    } else if (ctx_->others && !is_here(token->id())) {
      moved = true;
      co_return false;
    } else if (!ctx_->config.adopt) {
      why = ec::unknown_bot;
      break;
    } else if (adopted && clock::now() >= facts.wait_until) { // It went away again.
      why = ec::stopped;
      break;
    } else { // For a caller without patience too: that is about budgets, not about a new actor.
      adopted = co_await adopt(digest, token->id());
      if (!adopted) {
        why = ec::too_many_bots;
        break;
      }
      continue;
    }
    co_await pause(length);
    length = std::min(2 * length, lookup_pause);
  }
  auto text = explain(caf::make_error(why, refusal{rest}));
  co_await refuse(text, false);
  co_return false;
}

/// Puts the bot's own token in the place of a virtual one. @returns whether it was one
template <class Stream>
bool session<Stream>::stand_in(request_facts& facts) {
  const auto& ports = ctx_->ports;
  if (!ports.virtuals || !ports.vault)
    return false;
  auto known = ports.virtuals->find(facts.where.token, std::chrono::system_clock::now());
  auto own = known ? ports.vault->find(known->bot) : nullptr;
  if (!own || !head_->replace_token(facts.where.token, *own))
    return false;
  facts.where.token = *own;
  facts.only = std::move(known->methods);
  facts.worker = known->id;
  return true;
}

/// Whether a virtual token may be used for this.
inline bool is_allowed(const request_facts& facts, std::string_view method) {
  if (facts.only.empty())
    return true;
  std::string name{facts.where.kind == route_kind::file ? std::string_view{"getfile"} : method};
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return std::ranges::find(facts.only, name) != facts.only.end();
}

/// Has the request sent on with the method `name` in its path, where it came as a parameter.
/// @returns false when it names none: then the upstream may not find one either
inline bool settle_method(net::request_head& head, const request_facts& facts,
                          std::string_view name) {
  if (facts.where.kind != route_kind::method || !facts.where.method.empty())
    return true;
  if (!telegram::is_method_name(name))
    return false;
  head.name_method(name);
  return true;
}

/// Brings a bot back that is passive. @returns why not, if it did not come
template <class Stream>
task<caf::error> session<Stream>::activate(const directory::found& entry) {
  enter(state::waiting, clock::duration::max());
  request(ctx_->ports.found->bots_of(entry.home), activate_bot{entry.home, false});
  co_await answered();
  auto* why = std::get_if<caf::error>(&*verdict_);
  co_return why ? *why : caf::error{};
}

/// Makes a bot of a token that nobody registered. @returns false when there are too many
template <class Stream>
task<bool> session<Stream>::adopt(const token_digest& digest, bot_id claimed) {
  auto provisional = provisional_bot_id(digest);
  auto put = ctx_->ports.bots->put(digest, provisional, 1, false, clock::now());
  const auto& found = *ctx_->ports.found;
  if (put.evicted)
    ctx_->lane().tell(found.bots_of(put.evicted->home), stop_bot{put.evicted->home});
  if (!put.accepted && !put.existed)
    co_return false;
  start_bot spec;
  spec.bot = provisional;
  spec.proven = false;
  spec.claimed = claimed;
  spec.token_hash = digest.key;
  enter(state::waiting, clock::duration::max());
  request(found.bots_of(provisional), spec);
  co_await answered();
  auto* why = std::get_if<caf::error>(&*verdict_);
  if (!why)
    co_return true;
  // Nobody else would: an entry without an actor would keep this token waiting for ever.
  auto entry = ctx_->ports.bots->find(digest, clock::now());
  if (entry && !entry->actor)
    ctx_->ports.bots->erase(digest.key);
  if (why->category() != caf::type_id_v<caf::sec>)
    co_return false;
  co_await pause(lookup_pause); // The supervisor is being restarted: ask its successor.
  co_return true;
}

template <class Stream>
task<void> session<Stream>::pause(clock::duration length) {
  net::steady_timer timer{ctx_->lane().executor(), length};
  co_await net::awaited{[&timer](auto handler) { timer.async_wait(std::move(handler)); }};
}

} // namespace troupe::gateway

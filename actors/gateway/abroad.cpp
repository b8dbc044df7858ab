#include "actors/gateway/abroad.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/monitorable_actor.hpp>

#include <algorithm>

namespace troupe::gateway {
namespace {

/// More bots than that are asked for anew.
constexpr std::size_t most_bots = 20'000;
/// What was said is asked for anew: the word that it changed may have been lost, and virtual tokens
/// end by themselves.
constexpr auto longest_known = std::chrono::seconds{10};
/// Connections kept open while nobody uses them.
constexpr std::size_t most_spares = 64;
constexpr auto longest_idle = std::chrono::seconds{50};
/// No pool has this incarnation.
constexpr std::uint32_t own_epoch = 0xFFFFFF;

} // namespace

const bot_found* abroad::find(const token_digest& token, std::uint32_t changes,
                              clock::time_point now) {
  auto found = bots_.find(token.key);
  if (found == bots_.end() || !same_digest(found->second.token, token))
    return nullptr;
  const auto& x = found->second;
  return x.changes == changes && now - x.asked < longest_known ? &x.what : nullptr;
}

void abroad::put(const token_digest& token, bot_found what, std::uint32_t changes,
                 clock::time_point asked) {
  if (bots_.size() >= most_bots)
    bots_.clear();
  bots_[token.key] = {token, std::move(what), changes, asked};
}

void abroad::sent(const caf::strong_actor_ptr& whom, std::uint64_t ticket,
                  const std::function<void(std::function<void()>)>& post) {
  waiting_[ticket] = whom.get();
  if (!watched_.insert(whom.get()).second)
    return;
  // Also when the connection to its node breaks: its proxy ends then. The pointer stays valid until
  // it was told, for whoever tells holds it.
  auto* who = caf::actor_cast<caf::abstract_actor*>(whom);
  who->attach_functor([this, held = caf::weak_actor_ptr{whom.get(), true}, post] {
    post([this, held] { lost(held.get()); });
  });
}

void abroad::lost(const caf::actor_control_block* who) {
  watched_.erase(who);
  std::erase_if(bots_, [who](const auto& x) { return x.second.what.actor.get() == who; });
  std::vector<std::uint64_t> tickets;
  std::erase_if(waiting_, [&](const auto& x) {
    if (x.second != who)
      return false;
    tickets.push_back(x.first);
    return true;
  });
  if (!tickets.empty() && ended)
    ended(tickets);
}

std::uint64_t abroad::borrow() {
  if (spares_.empty())
    return net::session_id(own_epoch, ++last_session_);
  auto result = spares_.back().session;
  spares_.pop_back();
  return result;
}

void abroad::give_back(std::uint64_t session, bool kept, clock::time_point now) {
  if (kept && spares_.size() < most_spares)
    spares_.push_back({session, now});
  else if (kept)
    sessions_->close(session);
}

void abroad::sweep(clock::time_point now) {
  auto fresh =
    std::ranges::find_if(spares_, [&](const spare& x) { return now - x.since < longest_idle; });
  std::for_each(spares_.begin(), fresh, [this](const spare& x) { sessions_->close(x.session); });
  spares_.erase(spares_.begin(), fresh);
}

} // namespace troupe::gateway

#pragma once
#include "messages/cluster.hpp"
#include "runtime/net/upstream.hpp"
#include "runtime/registry/token_hash.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace troupe::gateway {

/// What a lane knows of bots that other nodes own: their actors, requests to them under way, and
/// connections to the upstream for calls that they grant (a bot's own node counts the place; the
/// exchange is done here). On the lane's thread only.
class abroad {
public:
  using clock = std::chrono::steady_clock;

  /// @param sessions the lane's
  explicit abroad(std::shared_ptr<net::upstream_sessions> sessions)
    : sessions_(std::move(sessions)) {}

  /// The bot of a token, as its node said; null when it was not asked yet or long ago, the bot
  /// ended since, or its node said that something changed.
  /// @param changes see `cluster_view`: as it is now
  [[nodiscard]] const bot_found* find(const token_digest& token, std::uint32_t changes,
                                      clock::time_point now);
  /// @param changes, asked  as it was, and when, the node was asked
  void put(const token_digest& token, bot_found what, std::uint32_t changes,
           clock::time_point asked);
  void drop(const token_digest& token) { bots_.erase(token.key); }

  /// A request goes to `whom`, on another node: should that end before it answers, `ended` is
  /// called once, with all tickets that wait. @param post runs something on the lane's thread, from
  /// any thread
  void sent(const caf::strong_actor_ptr& whom, std::uint64_t ticket,
            const std::function<void(std::function<void()>)>& post);
  /// It was answered.
  void answered(std::uint64_t ticket) { waiting_.erase(ticket); }
  /// Told the tickets that nobody answers any more.
  std::function<void(const std::vector<std::uint64_t>&)> ended;

  /// A session for one exchange, to be given back.
  [[nodiscard]] std::uint64_t borrow();
  /// @param kept its connection is open and idle
  void give_back(std::uint64_t session, bool kept, clock::time_point now);
  /// Closes connections that were idle for too long.
  void sweep(clock::time_point now);

private:
  struct entry {
    token_digest token;
    bot_found what;
    std::uint32_t changes = 0;
    clock::time_point asked;
  };
  struct spare {
    std::uint64_t session = 0;
    clock::time_point since;
  };

  void lost(const caf::actor_control_block* who);

  std::shared_ptr<net::upstream_sessions> sessions_;
  std::unordered_map<std::uint64_t, entry> bots_; ///< By the digest's key.
  std::unordered_map<std::uint64_t, const caf::actor_control_block*> waiting_; ///< By ticket.
  std::unordered_set<const caf::actor_control_block*> watched_;
  std::vector<spare> spares_; ///< The one used last at the end.
  std::uint64_t last_session_ = 0;
};

} // namespace troupe::gateway

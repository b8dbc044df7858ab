#pragma once
#include "messages/cluster.hpp"
#include "runtime/policy/shard_map.hpp"

#include <caf/actor_addr.hpp>
#include <caf/actor_clock.hpp>
#include <caf/typed_response_promise.hpp>

#include <algorithm>
#include <array>
#include <bitset>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

/// Which shards of bots a registrar has in a cluster; for the files of this folder only.
namespace troupe::registering {

enum class shard_stage : std::uint8_t {
  away,    ///< Nothing of it is here.
  loading, ///< Its bots are being read.
  here,
  leaving, ///< Nothing new begins; what runs is ending.
};

/// Shards that go together.
struct leaving_batch {
  std::vector<std::uint16_t> shards;
  bool planned = true;
  bool receiving = true;                ///< Webhooks and poller have not said yet that they let go.
  bool draining = false;                ///< Nothing new begins, and the bots' calls are waited for.
  bool stopping = false;                ///< The bots were told to end.
  std::set<bot_id> working;             ///< Whose calls had not ended when they were asked last.
  caf::actor_clock::time_point until{}; ///< Calls are waited for no longer.
  caf::actor_clock::time_point delivered_until{}; ///< Nor updates that are with receivers.
  std::set<caf::actor_addr> running;              ///< Of those that ran then.
};

/// A request that the owner of its bot deals with, on another node.
struct passed_request {
  caf::actor_addr desk;
  std::function<void(caf::error)> fail;
};

struct shard_book {
  struct place {
    shard_stage now = shard_stage::away;
    bool wanted = false; ///< The node owns it, as far as we were told.
  };
  /// Who waits until these shards are all here, or no longer wanted; or none of them is leaving.
  struct waiter {
    std::vector<std::uint16_t> shards;
    caf::typed_response_promise<done> promise;
  };

  [[nodiscard]] bool arrived(const waiter& x) const {
    return std::ranges::all_of(
      x.shards, [this](auto i) { return places[i].now == shard_stage::here || !places[i].wanted; });
  }
  [[nodiscard]] bool gone(const waiter& x) const {
    return std::ranges::none_of(x.shards,
                                [this](auto i) { return places[i].now == shard_stage::leaving; });
  }
  /// @returns the number under which `fail` is called, unless it is erased before
  std::uint64_t await_owner(caf::actor_addr desk, std::function<void(caf::error)> fail) {
    passed.emplace(++last_passed, passed_request{std::move(desk), std::move(fail)});
    return last_passed;
  }
  shard_stage& stage_of(bot_id bot) { return places[shard_of(bot)].now; }

  std::array<place, shard_count> places{};
  std::vector<waiter> gaining;
  std::vector<waiter> losing;
  std::vector<std::shared_ptr<leaving_batch>> batches;
  std::map<std::uint64_t, passed_request> passed; ///< Not answered yet.
  std::uint64_t last_passed = 0;
  std::vector<std::function<void()>> parked; ///< Requests whose bots' shards are on their way.
  std::set<caf::actor_addr> watched; ///< Other nodes' desks: when one ends, nobody answers there.
  bool reading = false;              ///< A pass over the store is under way.
};

} // namespace troupe::registering

#pragma once
#include "messages/handles.hpp"
#include "runtime/policy/recent_map.hpp"

#include <caf/actor_addr.hpp>
#include <caf/actor_cast.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <vector>

namespace troupe {

/// What belongs to the governor's waiters beside their place in the queue: the promise that answers
/// them, and the one monitor that watches each bot as long as it has a waiter.
class waiter_list {
public:
  using slot = std::uint32_t;
  static constexpr slot none = 0xffffffffu;

  struct waiter {
    caf::typed_response_promise<lease> promise;
    std::uint16_t lane = 0;
    std::uint64_t owner = 0; ///< 0: the slot is free.
    slot previous = none;
    slot next = none;
  };

  explicit waiter_list(rate_governor_actor::pointer self) noexcept : self_(self) {}

  /// Keeps the waiter in `at`; watches `owner` if it is the first of its waiters.
  void put(slot at, caf::typed_response_promise<lease> promise, const caf::strong_actor_ptr& owner,
           std::uint16_t lane) {
    if (at >= waiters_.size())
      waiters_.resize(std::size_t{at} + 1);
    auto key = key_of(owner.get());
    auto& o = owners_.touch(key);
    if (o.first == none) {
      o.who = caf::actor_cast<caf::actor_addr>(owner);
      self_->monitor(owner);
    } else {
      waiters_[o.first].previous = at;
    }
    waiters_[at] = {std::move(promise), lane, key, none, o.first};
    o.first = at;
  }

  /// Takes the waiter out of `at`; stops watching its owner if it was the last one.
  waiter take(slot at) {
    auto result = std::exchange(waiters_[at], waiter{});
    auto& o = *owners_.find(result.owner);
    (result.previous == none ? o.first : waiters_[result.previous].next) = result.next;
    if (result.next != none)
      waiters_[result.next].previous = result.previous;
    if (o.first == none) {
      self_->demonitor(o.who);
      owners_.erase(result.owner);
    }
    return result;
  }

  /// A waiter of this actor, or none.
  [[nodiscard]] slot of(const caf::actor_addr& who) const noexcept {
    auto* known = owners_.find(key_of(caf::actor_cast<caf::actor_control_block*>(who)));
    return known ? known->first : none;
  }

private:
  struct owner {
    caf::actor_addr who;
    slot first = none;
  };

  static std::uint64_t key_of(const caf::actor_control_block* ptr) noexcept {
    return reinterpret_cast<std::uintptr_t>(ptr);
  }

  rate_governor_actor::pointer self_;
  std::vector<waiter> waiters_;
  recent_map<std::uint64_t, owner> owners_;
};

} // namespace troupe

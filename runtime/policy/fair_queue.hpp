#pragma once
#include "runtime/policy/recent_map.hpp"
#include "runtime/policy/timer_heap.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

/// A queue of waiting calls that is fair over tenants, then over the bots of a tenant, and first in
/// first out within a bot. Waiters of one bot that are subject to the same chat limits form a lane;
/// a lane, a bot or a tenant that cannot go on now is parked, until a time or until it is woken,
/// and costs nothing meanwhile. Every operation is O(1) or O(log n) in the number of waiters.
///
/// Waiters are known by slots: small dense numbers that are used again, so that a caller can keep
/// what belongs to a waiter in an array beside.
class fair_queue {
public:
  using slot = std::uint32_t;
  static constexpr slot none = 0xffffffffu;

  /// What waiters of one bot must share to be held back together.
  struct lane_key {
    std::int64_t chat = 0;
    std::uint16_t method = 0;
    bool charged = false; ///< The chat's budget applies.
    bool group = false;
    bool paid = false;
    friend bool operator==(const lane_key&, const lane_key&) = default;
  };

  struct waiter {
    std::int64_t bot = 0;
    std::uint32_t tenant = 0;
    std::uint64_t call = 0;
    lane_key lane;
    time_point deadline{};
  };

  /// What to do with the waiter whose turn it is.
  enum class action : std::uint8_t { take, park_lane, park_bot, park_tenant };
  struct decision {
    action what = action::take;
    time_point until = time_point::max(); ///< For parking; max: until woken.
  };

  /// Adds a waiter at the end of its lane.
  slot push(const waiter& x);

  /// Finds the waiter whose turn it is, asking `judge(waiter, slot) -> decision` about each
  /// candidate, and takes it out of the queue: its slot is free after this call.
  template <class Judge>
  std::optional<slot> take_next(time_point now, Judge&& judge) {
    wake_due(now);
    while (first_tenant_ != none) {
      auto candidate = current();
      decision d = judge(std::as_const(waiters_[candidate].what), candidate);
      if (d.what == action::take) {
        take(candidate);
        return candidate;
      }
      park(candidate, d);
    }
    return std::nullopt;
  }

  /// Takes a waiter out. @pre `at` is in use
  void remove(slot at);

  /// The waiter of `bot` for `call`, or none.
  [[nodiscard]] slot find(std::int64_t bot, std::uint64_t call) const noexcept;

  /// A waiter whose deadline is `now` or earlier, or none.
  [[nodiscard]] slot expired(time_point now) const noexcept {
    return !deadlines_.empty() && deadlines_.first_due() <= now ? deadlines_.first() : none;
  }

  /// Some waiter, or none when the queue is empty.
  [[nodiscard]] slot any() const noexcept { return deadlines_.empty() ? none : deadlines_.first(); }

  /// Something changed for this bot or tenant: all of it that is parked may be asked again.
  void wake_bot(std::int64_t bot);
  void wake_tenant(std::uint32_t tenant);
  /// Something changed for everybody. O(n) in the number of bots and lanes with waiters.
  void wake_all();

  /// Moves the waiters of `from` to the end of the queue of `to`, keeping their order and slots.
  void merge_bot(std::int64_t from, std::int64_t to);

  [[nodiscard]] const waiter& operator[](slot at) const noexcept { return waiters_[at].what; }
  [[nodiscard]] std::size_t size() const noexcept { return deadlines_.size(); }
  [[nodiscard]] bool empty() const noexcept { return deadlines_.empty(); }
  /// Whether some waiter is not parked (as far as is known).
  [[nodiscard]] bool ready() const noexcept { return first_tenant_ != none; }
  /// Waiters that are not parked, of tenants that are not.
  [[nodiscard]] std::uint32_t ready_waiters() const noexcept { return ready_; }
  /// Whether a waiter is parked, or part of something parked.
  [[nodiscard]] bool parked(slot at) const noexcept;
  [[nodiscard]] bool waits(std::uint32_t tenant) const noexcept {
    return tenant_index_.find(tenant) != nullptr;
  }
  /// Waiters of the tenant that are not parked but for the tenant's sake.
  [[nodiscard]] std::uint32_t ready_waiters(std::uint32_t tenant) const noexcept {
    auto* known = tenant_index_.find(tenant);
    return known ? tenants_[*known].ready : 0;
  }
  [[nodiscard]] std::uint32_t waiting_in_lane(const waiter& x) const noexcept {
    auto* lane = lane_index_.find({x.bot, x.lane});
    return lane ? lanes_[*lane].count : 0;
  }
  [[nodiscard]] bool has_paid(std::int64_t bot) const noexcept;

  /// When the first parked thing wakes by itself; max: never.
  [[nodiscard]] time_point next_wake() const noexcept;
  [[nodiscard]] time_point next_deadline() const noexcept {
    return deadlines_.empty() ? time_point::max() : deadlines_.first_due();
  }

  /// Turns that will pass before a new waiter would have its own, if all of them go on.
  struct backlog {
    std::uint32_t lane = 0;   ///< Waiters of the same lane.
    std::uint32_t bot = 0;    ///< Waiters of the bot that are not parked in a lane.
    std::uint32_t tenant = 0; ///< Turns of the tenant's bots, this one's included.
    std::uint32_t global = 0; ///< Turns of all.
    std::uint32_t most = 0;   ///< Turns of all, if everybody who is parked were not.
    /// The same if all others have somebody waiting at each of their turns.
    std::uint32_t tenant_crowd = 0;
    std::uint32_t global_crowd = 0;
    std::uint32_t tenant_all = 0; ///< Waiters of the tenant that are not parked.
    std::uint32_t global_all = 0; ///< Of all tenants.
  };
  /// Exact over the first 64 bots and tenants; those beyond count like the average of these.
  [[nodiscard]] backlog ahead_of(const waiter& x) const noexcept;

private:
  struct links {
    std::uint32_t previous = none;
    std::uint32_t next = none;
  };
  struct chain { // A doubly linked list of indices.
    std::uint32_t first = none;
    std::uint32_t last = none;
  };
  struct waiter_node {
    waiter what;
    std::uint64_t sequence = 0;
    std::uint32_t lane = none;
    links in_lane;
    bool used = false;
  };
  struct lane_node {
    lane_key key;
    std::uint32_t bot = none;
    std::uint32_t count = 0;
    bool parked = false;
    chain waiters;
    links in_bot; ///< Among the bot's ready lanes, by sequence of the first waiter, or parked ones.
  };
  struct bot_node {
    std::int64_t id = 0;
    std::uint32_t tenant = none;
    std::uint32_t ready = 0; ///< Waiters in lanes that are not parked.
    std::uint32_t paid = 0;
    bool parked = false;
    bool in_ring = false;
    chain ready_lanes;
    chain parked_lanes;
    links in_tenant;
  };
  struct tenant_node {
    std::uint32_t id = 0;
    std::uint32_t bots = 0;       ///< With waiters.
    std::uint32_t waiters = 0;    ///< Of all of them, parked ones included.
    std::uint32_t ready = 0;      ///< Of the bots in the ring, without those in parked lanes.
    std::uint32_t ready_bots = 0; ///< In the ring.
    bool parked = false;
    bool in_ring = false;
    chain ring;
    links in_queue;
  };
  struct lane_id {
    std::int64_t bot = 0;
    lane_key key;
    friend bool operator==(const lane_id&, const lane_id&) = default;
  };
  struct lane_hash {
    std::uint64_t operator()(const lane_id& x) const noexcept;
  };
  struct call_key {
    std::int64_t bot = 0;
    std::uint64_t call = 0;
    friend bool operator==(const call_key&, const call_key&) = default;
  };
  struct call_hash {
    std::uint64_t operator()(const call_key& x) const noexcept {
      return mix(mix(static_cast<std::uint64_t>(x.bot)) + x.call);
    }
  };

  template <class T>
  struct pool { // Nodes by index, used again.
    std::vector<T> nodes;
    std::vector<std::uint32_t> free;
    std::uint32_t make();
    void drop(std::uint32_t i);
    T& operator[](std::uint32_t i) noexcept { return nodes[i]; }
    const T& operator[](std::uint32_t i) const noexcept { return nodes[i]; }
  };

  [[nodiscard]] slot current() const noexcept {
    auto& bot = bots_[tenants_[first_tenant_].ring.first];
    return lanes_[bot.ready_lanes.first].waiters.first;
  }
  void take(slot at);
  void park(slot candidate, const decision& d);
  void park_lane(std::uint32_t lane);
  void unpark_lane(std::uint32_t lane);
  void wake_due(time_point now);
  void wake_bot_node(std::uint32_t bot, bool lanes);
  void wake_tenant_node(std::uint32_t tenant);
  void add_ready(std::uint32_t bot, std::uint32_t n);
  void drop_ready(std::uint32_t bot, std::uint32_t n);
  void settle_bot(std::uint32_t bot);
  void settle_tenant(std::uint32_t tenant);
  void insert_ready(std::uint32_t lane, bool newest);
  std::uint32_t lane_of(const waiter& x);
  std::uint32_t bot_of(const waiter& x);
  std::uint32_t tenant_of(std::uint32_t id);
  void drop_bot_if_idle(std::uint32_t bot);

  pool<waiter_node> waiters_;
  pool<lane_node> lanes_;
  pool<bot_node> bots_;
  pool<tenant_node> tenants_;
  recent_map<lane_id, std::uint32_t, lane_hash> lane_index_;
  recent_map<std::int64_t, std::uint32_t> bot_index_;
  recent_map<std::uint32_t, std::uint32_t> tenant_index_;
  recent_map<call_key, slot, call_hash> call_index_;
  timer_heap deadlines_;
  timer_heap lane_wakes_;
  timer_heap bot_wakes_;
  timer_heap tenant_wakes_;
  std::uint64_t sequence_ = 0;
  std::uint32_t ready_ = 0;         ///< Waiters of the tenants in the queue that are not parked.
  std::uint32_t ready_tenants_ = 0; ///< Tenants in the queue.
  std::uint32_t first_tenant_ = none;
  std::uint32_t last_tenant_ = none;
};

} // namespace troupe

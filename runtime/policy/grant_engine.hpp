#pragma once
#include "runtime/policy/budgets.hpp"
#include "runtime/policy/fair_queue.hpp"
#include "runtime/policy/flood_holds.hpp"
#include "runtime/policy/hold_time.hpp"
#include "runtime/policy/slip.hpp"

#include <functional>
#include <vector>

namespace troupe {

/// How much of a past that a new governor has not seen must be treated as full.
struct unseen_past {
  duration rates{0}; ///< Global, tenant and bot budgets.
  duration chats{0}; ///< Private chats.
  duration groups{0};

  /// Nothing went out before: a cold start.
  [[nodiscard]] static constexpr unseen_past none() noexcept { return {}; }
  /// Anything may have gone out until now.
  [[nodiscard]] static constexpr unseen_past unknown() noexcept {
    using std::chrono::seconds;
    return {seconds{1}, seconds{20}, seconds{60}};
  }
};

/// What outlives a governor: enough for the next one to go on as if it had seen everything.
struct grant_memory {
  explicit grant_memory(const flood_limits& floods = {}, std::size_t max_stamps = 131'072)
    : rates(std::chrono::seconds{1}, max_stamps), chats(std::chrono::seconds{60}, max_stamps),
      holds(floods) {}

  bool used = false;                               ///< By an earlier governor.
  time_point rates_full_until = time_point::min(); ///< What the first governor had not seen ...
  time_point chats_full_until = time_point::min(); ///< ... its successors have not seen either.
  time_point groups_full_until = time_point::min();
  permit_log rates; ///< Permits of the last second.
  permit_log chats; ///< Permits charged to chats in the last minute.
  flood_holds holds;
  recent_map<std::int64_t, std::uint32_t> bot_rates;     ///< Own rates of bots.
  recent_map<std::int64_t, std::uint32_t> bot_caps;      ///< Own limits of requests at once.
  recent_map<std::uint32_t, std::uint32_t> tenant_rates; ///< Own rates of tenants.
  /// Bots that turned out to be others: what ends under the old name counts for the new one.
  recent_map<std::int64_t, std::int64_t> merged;
  /// The node's slice of the global budget, if it is one of many; before the first governor.
  std::optional<slice_holder> slice;
  /// Its slices of tenants' rates, likewise.
  std::optional<tenant_slices> tenant_shares;
  /// Under which ownership each shard's bots are seen here, and since when; 0: they are not.
  struct shards {
    struct message {
      time_point at;
      charge what;
    };
    std::array<std::int64_t, shard_count> revisions{};
    std::array<std::int64_t, shard_count> left{}; ///< The last one that was given up.
    shards_seen since;
    std::vector<message> inherited; ///< What earlier owners let through.
  };
  std::unique_ptr<shards> owned; ///< Of one node of many.
};

struct grant_limits {
  budget_limits budgets;
  std::size_t max_waiting = 200'000;
  duration probe_timeout = std::chrono::seconds{65}; ///< Of an upstream probe that never ended.
};

/// A request for one permit.
struct grant_request {
  std::int64_t bot = 0;
  std::uint32_t tenant = 1;
  std::uint64_t call = 0;
  std::uint16_t method = 0;
  bool charged = false; ///< Charge `chat` too.
  bool group = false;
  bool paid = false;
  std::int64_t chat = 0; ///< 0: none.
  duration patience{0};
};

/// Decides which request may go when: budgets, holds, sessions on credit, the upstream's breaker,
/// and the queue of those that must wait. Promises:
/// - no window ever holds more than its limit, over restarts too (with the same memory);
/// - after `dispatch` nobody waits who could go: windows open, no hold, a credit, breaker closed;
///   but a hundredth of the global budget is kept for calm tenants' calls (`budgets::kept`);
/// - whoever waits is served in turn by tenant, then bot, then age.
class grant_engine {
public:
  using slot = fair_queue::slot;

  enum class result : std::uint8_t {
    granted,          ///< Charged; a credit is spent.
    waiting,          ///< In `slot`, until dispatched, expired, refused or cancelled.
    refused_patience, ///< The budget opens too late.
    refused_session,  ///< No session becomes free in time, as far as can be told.
    refused_upstream, ///< The upstream's breaker is open.
    refused_full,     ///< Too many wait.
  };
  struct answer {
    result what = result::granted;
    slot at = fair_queue::none;
    duration retry_after{0};
  };

  /// Why a waiter must go.
  enum class departure : std::uint8_t { deadline, session, upstream };

  grant_engine(const grant_limits& limits, grant_memory& memory, const unseen_past& past,
               time_point now);

  /// Asks for a permit. Call `dispatch` before if somebody waits, so that nobody is overtaken.
  answer ask(const grant_request& x, time_point now);

  /// Grants to whoever may go now; calls `granted(slot, waiter)` for each, after it is charged.
  template <class F>
  void dispatch(time_point now, F&& granted) {
    dispatch(
      now, granted, [](auto&) { return true; }, [](slot) {});
  }
  /// The same; whose bot this node does not serve now goes without a permit: `gone(slot)`.
  template <class F, class S, class G>
  void dispatch(time_point now, F&& granted, S&& serves, G&& gone) {
    while (gate(now) <= now) {
      auto judge = [&](const fair_queue::waiter& w, slot at) {
        auto d = this->judge(w, now);
        if (d.what == fair_queue::action::take)
          granted_ = {at, w};
        return d;
      };
      if (!queue_.take_next(now, judge))
        return;
      if (!serves(granted_.second)) {
        ++refused_;
        gone(granted_.first);
        continue;
      }
      learn(granted_.first, now, false);
      charge_all(granted_.second, now);
      granted(granted_.first, granted_.second);
    }
  }

  /// Sends away whose deadline has passed; calls `gone(slot, waiter, departure, retry_after)` for
  /// each.
  template <class F>
  void expire(time_point now, F&& gone) {
    for (auto at = queue_.expired(now); at != fair_queue::none; at = queue_.expired(now)) {
      auto w = queue_[at];
      auto why = why_late(at, now);
      learn(at, now, true);
      refuse(at);
      gone(at, w, why, retry_after(w, now));
    }
  }

  /// Sends everybody away; calls `gone(slot)`.
  template <class F>
  void clear(F&& gone) {
    for (auto at = queue_.any(); at != fair_queue::none; at = queue_.any()) {
      refuse(at);
      gone(at);
    }
  }

  /// The waiter of this call leaves. @returns its slot, or none
  slot cancel(std::int64_t bot, std::uint64_t call);
  /// The waiter in this slot leaves.
  void leave(slot at) { queue_.remove(at); }

  /// A permit was not used. Unknown ones are ignored. @param chat what it was charged to; 0: none
  void give_back(std::int64_t bot, std::int64_t chat, time_point stamp);
  /// The last permit of this call was not used, if it is stamped later than `after`. Only permits
  /// of the last second are looked at.
  void give_back_last(std::uint64_t call, time_point after, time_point now);
  /// A chat that was seen after its permit.
  void charge_chat(const charge& x, time_point now);
  /// A 429. @returns whether the whole bot is held
  bool flood(std::int64_t bot, std::int64_t chat, std::uint16_t method, duration retry_after,
             time_point now) {
    return memory_->holds.report(bot, chat, method, retry_after, now);
  }
  /// What 429s taught, for what another node learnt and for keeping it.
  [[nodiscard]] flood_holds& floods() noexcept { return memory_->holds; }
  /// The ownership that what is learnt of a bot of this shard goes under; 0: none ever was.
  [[nodiscard]] std::int64_t owned_under(shard_id shard) const noexcept {
    auto& owned = *memory_->owned;
    return std::max(owned.revisions[shard], owned.left[shard]);
  }
  void limit_bot(std::int64_t bot, std::uint32_t rps, time_point now);
  void unlimit_bot(std::int64_t bot, time_point now); ///< Back to the rate of all bots.
  /// The bots of these tenants together may have so many requests in any second, what went out
  /// before counted; those of others as many as all tenants' may.
  void limit_tenants(const std::vector<std::pair<std::uint32_t, std::uint32_t>>& rates,
                     time_point now);
  /// Other limits for all windows; what went out before counts in them. Everybody who waits is
  /// looked at again.
  void set_limits(const budget_limits& limits, time_point now);
  /// The node owns this shard under `revision`: what its bots did under others is not known, and
  /// counts as full. Told again what is known does nothing. @pre the memory has `owned`
  void own_shard(shard_id shard, std::int64_t revision, time_point since);
  /// The same with what the owner before says of it, who gave it up.
  /// @param since when the node became the owner
  void inherit(shard_id shard, std::int64_t revision, const shard_past& past, time_point since,
               time_point now);
  struct given_up {
    shard_id shard = 0;
    std::int64_t revision = 0;
    shard_past past;
  };
  /// Nothing of these shards' bots may go under their ownerships any more. @returns what the next
  /// owner of each should know, of those of which something is known
  std::vector<given_up> give_up(const std::vector<shard_id>& shards, time_point now);
  /// Whether this ownership was given up.
  [[nodiscard]] bool gave_up(shard_id shard, std::int64_t revision) const noexcept;
  /// Waiters that could go if the node had a larger slice.
  [[nodiscard]] std::uint32_t short_of_slice(time_point now) const noexcept;
  /// When the leader is to be asked for slices of tenants' rates; `now` or earlier: at once. The
  /// end of time: no tenant with a rate wants anything, or the node is by itself.
  [[nodiscard]] time_point tenants_due() const noexcept {
    return memory_->tenant_shares ? memory_->tenant_shares->due() : time_point::max();
  }
  /// What to ask it: `send(tenant, rate, slice_request)`.
  template <class F>
  void ask_tenants(time_point now, std::size_t most, F&& send) {
    memory_->tenant_shares->ask(
      now, most, [&](std::uint32_t tenant) { return short_of_tenant(tenant); },
      [&](std::uint32_t tenant, const slice_request& x) {
        if (auto rate = budgets_.tenant_rate(tenant); rate > 0)
          send(tenant, rate, x);
      });
  }
  void take_tenant(std::uint32_t tenant, const slice_grant& x, time_point now);
  /// A bot may have so many requests at once, instead of what the pool said.
  void cap_bot(std::int64_t bot, std::uint32_t concurrent);
  void uncap_bot(std::int64_t bot); ///< Back to what the pool said.
  void merge_bot(std::int64_t from, std::int64_t to, time_point now);

  /// A pool says what it has; credits of earlier epochs are void. 0 sessions: no pool.
  /// @param places all it has, leased ones included; 0: not known
  /// @param leases which bots have how many of them
  void set_capacity(std::uint32_t epoch, std::uint32_t sessions, std::uint32_t per_bot,
                    std::uint32_t places = 0,
                    const std::vector<std::pair<std::int64_t, std::uint32_t>>& leases = {});
  /// The same pool has other limits now; `added` credits more.
  void change_capacity(std::uint32_t epoch, std::uint32_t added, std::uint32_t per_bot,
                       std::uint32_t places);
  /// A session came back; or, `gone`, only its bot's use of it is over.
  /// @param now not given: how long it was held is not learnt from it
  void credit(std::uint32_t epoch, std::int64_t bot, bool gone = false, time_point now = {});

  void upstream_opens(time_point until) noexcept;
  void upstream_half_opens() noexcept;
  void upstream_closes() noexcept { upstream_ = upstream::closed; }
  [[nodiscard]] int upstream_phase(time_point now) const noexcept; ///< As `breaker_phase`.

  /// When something must be done next without a further message: call `expire` and `dispatch` then.
  [[nodiscard]] time_point next_due(time_point now) const noexcept;

  [[nodiscard]] std::size_t waiting() const noexcept { return queue_.size(); }
  [[nodiscard]] std::uint32_t credits() const noexcept { return credits_; }
  [[nodiscard]] std::uint32_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] std::uint64_t granted() const noexcept { return granted_total_; }
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
  [[nodiscard]] std::size_t holds(time_point now) const noexcept {
    return memory_->holds.count(now);
  }
  [[nodiscard]] const budgets& book() const noexcept { return budgets_; }
  /// Requests that this scope made wait, ever.
  [[nodiscard]] std::uint64_t throttled(budget_scope scope) const noexcept {
    return throttled_[static_cast<std::size_t>(scope)];
  }

private:
  enum class upstream : std::uint8_t { closed, open, half_open };

  void refuse(slot at) {
    ++refused_;
    queue_.remove(at);
  }
  void limit_tenant(std::uint32_t tenant, std::uint32_t rps, time_point now);
  [[nodiscard]] std::uint32_t short_of_tenant(std::uint32_t tenant) const noexcept;
  [[nodiscard]] time_point gate(time_point now, bool calm = false) noexcept;
  [[nodiscard]] fair_queue::decision judge(const fair_queue::waiter& w, time_point now);
  /// What waiters of different bots share: the order among them is not only by age.
  enum class shared : std::uint8_t { nothing, global, tenant, sessions };
  struct forecast {
    time_point budget; ///< When every budget is open for it, and no hold in the way.
    time_point session;
    time_point plain; ///< When all who wait now are gone, whatever surprises and others may come.
    std::size_t scope = budget_scopes; ///< The budget that opens last; none: it waits for none.
    shared by = shared::nothing;       ///< What it waits for longest, if that is shared.
    duration turns{0};                 ///< The part of that wait that others' turns make, ...
    duration rest{0};                  ///< ... and the rest of it.
  };
  [[nodiscard]] forecast estimate(const fair_queue::waiter& w, time_point now) const;
  void share_waits(forecast& to, const fair_queue::waiter& w, const charge& x,
                   const fair_queue::backlog& ahead, time_point now) const;
  void learn(slot at, time_point now, bool cut);
  [[nodiscard]] duration retry_after(const fair_queue::waiter& w, time_point now) const;
  /// Whether this tenant's next call may have what is kept of the global budget.
  [[nodiscard]] bool calm(std::uint32_t tenant, time_point now) const noexcept;
  [[nodiscard]] std::uint32_t cap_of(std::int64_t bot) const noexcept;
  [[nodiscard]] std::uint32_t held() const noexcept {
    return capacity_ > credits_ ? capacity_ - credits_ : 0;
  }
  [[nodiscard]] departure why_late(slot at, time_point now) const noexcept;
  [[nodiscard]] bool at_cap(std::int64_t bot) const noexcept;
  [[nodiscard]] std::int64_t known_as(std::int64_t bot) const noexcept;
  void merge_leases(std::int64_t from, std::int64_t to);
  void charge_all(const fair_queue::waiter& w, time_point now);
  void take_back(const charge& x, time_point stamp);
  void replay(const unseen_past& past, time_point now);
  void share();

  grant_limits limits_;
  grant_memory* memory_;
  budgets budgets_;
  fair_queue queue_;
  struct lent {
    std::uint32_t count = 0;
    hold_time times;
  };
  recent_map<std::int64_t, lent> leased_; ///< Credits out, by bot.
  hold_time times_;                       ///< Of all bots.
  /// What was foretold to the waiter in a slot.
  struct promise {
    time_point since;
    duration turns{0};
    duration rest{0};
    shared by = shared::nothing;
  };
  std::vector<promise> promised_;
  std::array<slip, 4> slips_; ///< By what is shared.
  std::pair<slot, fair_queue::waiter> granted_;
  std::array<std::uint64_t, budget_scopes> throttled_{};
  std::uint64_t granted_total_ = 0;
  std::uint64_t refused_ = 0;
  std::uint32_t epoch_ = 0;
  std::uint32_t capacity_ = 0;
  bool capacity_exact_ = false; ///< The pool said how many places it has in all.
  std::uint32_t credits_ = 0;
  std::uint32_t per_bot_ = 0;
  upstream upstream_ = upstream::closed;
  time_point open_until_{};
  time_point probe_until_{}; ///< In half-open: a probe is out until then at the latest.
  std::int64_t probe_bot_ = 0;
  std::uint32_t probe_credits_ = 0; ///< Credits of that bot that must come back to end the probe.
};

} // namespace troupe

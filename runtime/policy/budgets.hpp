#pragma once
#include "runtime/policy/budget_slices.hpp"
#include "runtime/policy/permit_log.hpp"
#include "runtime/policy/recent_map.hpp"
#include "runtime/policy/shard_past.hpp"
#include "runtime/policy/sliding_window.hpp"
#include "runtime/policy/tenant_slices.hpp"

#include <memory>
#include <optional>

namespace troupe {

/// What a budget is counted over.
enum class budget_scope : std::uint8_t { global, tenant, bot, chat, group };
inline constexpr std::size_t budget_scopes = 5;

struct budget_limits {
  rate_rules global{{rate_rule{25, std::chrono::seconds{1}}, {}}};
  rate_rules tenant{};
  rate_rules bot{{rate_rule{30, std::chrono::seconds{1}}, {}}};
  rate_rules lifted{{rate_rule{1000, std::chrono::seconds{1}}, {}}}; ///< A bot that pays.
  rate_rules chat{{rate_rule{3, std::chrono::seconds{1}}, rate_rule{20, std::chrono::seconds{20}}}};
  rate_rules group{{rate_rule{20, std::chrono::seconds{60}}, {}}};
  std::size_t max_bots = 262'144;    ///< Windows in memory; when none is empty, new ones wait.
  std::size_t max_chats = 1'000'000; ///< Of private chats, and of groups.
};

/// The book of all budgets: global, tenants, bots, chats, groups. Keeps a window only while it
/// holds an event; only empty windows are ever forgotten, so limits hold whatever the memory limit.
class budgets {
public:
  explicit budgets(const budget_limits& limits);

  /// When one more request fits (`now` or earlier: at once), after `ahead` others.
  /// @param calm of a tenant that may have what is kept
  [[nodiscard]] time_point global_opens(time_point now, std::uint32_t ahead = 0,
                                        bool calm = false) const noexcept;
  /// The same as far as can be told of a slice that will be renewed; for estimates.
  [[nodiscard]] time_point global_expected(time_point now, std::uint32_t ahead) const noexcept;
  /// Of the global budget a hundredth is kept for calm tenants, so that one that floods does not
  /// make them wait for its bunches of places to open (decision 0018). 0 as long as no second
  /// tenant was seen.
  [[nodiscard]] std::uint32_t kept(time_point now) const noexcept {
    return several_ ? global_limit(now) / 100 : 0;
  }
  /// Whether a tenant had less than an equal part of the global budget in the last second, among
  /// those that had some.
  [[nodiscard]] bool calm(std::uint32_t tenant, time_point now) const noexcept;
  /// From now on the global window is that of this slice, and never more than the global limit; the
  /// slice outlives the book. Nothing is asked of it while there is no global limit.
  void share(slice_holder& slice) noexcept { slice_ = &slice; }
  /// The same for tenants' windows.
  void share(tenant_slices& slices) noexcept { tenant_slices_ = &slices; }
  /// Bots of each shard had other owners before: their windows count as full until nothing is left
  /// in them of that time. `since` outlives the book.
  void see_shards(const shards_seen& since) noexcept { shards_ = &since; }
  /// Whether nothing of the global budget may go from here until a slice of it comes.
  [[nodiscard]] bool without_slice(time_point now) const noexcept {
    return slice_ && limits_.global.limited() && slice_->limit(now) == 0;
  }
  /// Requests that may go in any window from here: all of the global limit, or the slice of it.
  [[nodiscard]] std::uint32_t global_limit(time_point now) const noexcept {
    auto all = limits_.global.rules[0].limit;
    return slice_ ? std::min(all, slice_->limit(now)) : all;
  }
  /// A tenant asks.
  void see(std::uint32_t tenant) noexcept;
  [[nodiscard]] time_point tenant_opens(const charge& x, time_point now,
                                        std::uint32_t ahead = 0) const noexcept;
  /// As `global_expected`.
  [[nodiscard]] time_point tenant_expected(const charge& x, time_point now,
                                           std::uint32_t ahead) const noexcept;
  /// Whether nothing of this tenant may go from here until a slice of its rate comes.
  [[nodiscard]] bool without_slice(std::uint32_t tenant, time_point now) const noexcept;
  /// Requests in any second; 0: no limit.
  [[nodiscard]] std::uint32_t tenant_rate(std::uint32_t tenant) const noexcept {
    return tenant_rules(tenant).rules[0].limit;
  }
  [[nodiscard]] time_point bot_opens(const charge& x, time_point now,
                                     std::uint32_t ahead = 0) const noexcept;
  [[nodiscard]] time_point chat_opens(const charge& x, time_point now,
                                      std::uint32_t ahead = 0) const noexcept;

  /// Charges a request to global, tenant and bot windows.
  void record_rates(const charge& x, time_point now);
  /// Charges a request to its chat's window, if it has a chat; full or not.
  void record_chat(const charge& x, time_point now);
  /// A message that an earlier owner of the bot let through, at a time that has passed.
  void inherit_chat(const charge& x, time_point at, time_point now);
  /// Another node counts the messages to this chat from now on.
  void forget_chat(const charge& x);
  /// Takes a request out of every window again.
  void remove(const charge& x, time_point stamp) noexcept;

  /// Gives a bot its own rate. 0 = no limit. A bot that had none before counts as one that used it
  /// up in the last second, unless all its requests are `seen`.
  void limit_bot(std::int64_t bot, std::uint32_t rps, time_point now, bool seen = false);
  /// Gives a tenant its own rate, or takes it back (none). What it used is unknown then: record it
  /// again with `record_tenant`.
  void limit_tenant(std::uint32_t tenant, std::optional<std::uint32_t> rps);
  /// Charges a request to its tenant's window alone.
  void record_tenant(std::uint32_t tenant, time_point now);
  /// `from` turned out to be `to`: what it used counts for `to`.
  void merge_bot(std::int64_t from, std::int64_t to, time_point now);
  /// Treats the past as full: allows nothing in `scope` before `until`.
  void hold(budget_scope scope, time_point until) noexcept;

  struct usage {
    rate_rule rule;
    std::uint64_t used = 0; ///< In the fullest window.
    std::uint64_t windows = 0;
    bool limited = false; ///< With a rule of 0: nothing may go from here now.
  };
  /// Walks all windows of the scope.
  [[nodiscard]] usage used(budget_scope scope, time_point now) const;

  [[nodiscard]] const budget_limits& limits() const noexcept { return limits_; }

private:
  struct bot_windows {
    sliding_window plain;
    std::unique_ptr<sliding_window> lifted; ///< All requests, while the bot pays for some.
  };
  struct chat_key {
    std::int64_t bot = 0;
    std::int64_t chat = 0;
    friend bool operator==(const chat_key&, const chat_key&) = default;
  };
  struct chat_hash {
    std::uint64_t operator()(const chat_key& x) const noexcept {
      return mix(mix(static_cast<std::uint64_t>(x.bot)) ^ static_cast<std::uint64_t>(x.chat));
    }
  };
  using chat_table = recent_map<chat_key, sliding_window, chat_hash>;

  /// When nothing that another owner let through can be left in the bot's windows of that length.
  [[nodiscard]] static time_point seen(const shards_seen::times* since, std::int64_t bot,
                                       duration length) noexcept {
    auto at = since ? (*since)[shard_of(bot)] : time_point::min();
    return at == time_point::min() ? at : at + length;
  }
  [[nodiscard]] rate_rules rules_of(std::int64_t bot) const noexcept;
  [[nodiscard]] rate_rules tenant_rules(std::uint32_t tenant) const noexcept;
  [[nodiscard]] rate_rules lifted_rules(const rate_rules& own) const noexcept;
  [[nodiscard]] time_point held(budget_scope scope) const noexcept {
    return held_until_[static_cast<std::size_t>(scope)];
  }
  void forget_empty_bots(time_point now);
  static void merge_chats(chat_table& table, const rate_rules& rules, std::int64_t from,
                          std::int64_t to, time_point now);

  budget_limits limits_;
  std::array<time_point, budget_scopes> held_until_{};
  sliding_window global_;
  slice_holder* slice_ = nullptr;          ///< Instead of `global_`.
  tenant_slices* tenant_slices_ = nullptr; ///< Instead of `tenants_`.
  const shards_seen* shards_ = nullptr;
  recent_map<std::uint32_t, sliding_window> tenants_;
  recent_map<std::uint32_t, sliding_window> shares_; ///< What each had of the global budget.
  std::optional<std::uint32_t> seen_;                ///< The first tenant.
  bool several_ = false;                             ///< Another one, too.
  recent_map<std::uint32_t, std::uint32_t> own_tenant_rates_;
  recent_map<std::int64_t, bot_windows> bots_;
  recent_map<std::int64_t, std::uint32_t> own_rates_; ///< Bots with a rate of their own.
  chat_table chats_;
  chat_table groups_;
};

} // namespace troupe

#pragma once
#include "messages/cluster.hpp"
#include "runtime/policy/budget_slices.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace troupe {

// -- between the words of the protocol and those of the policy -----------------------------------

[[nodiscard]] inline slice_request to_request(const slice_ask& x) noexcept {
  return {x.holder, x.number, x.epoch, x.grant, x.used, x.waiting};
}
[[nodiscard]] inline slice_ask to_ask(const slice_request& x) noexcept {
  return {x.holder, x.number, x.epoch, x.grant, x.used, x.waiting};
}
[[nodiscard]] inline slice_given to_given(const slice_grant& x) noexcept {
  return {x.request, x.epoch, x.number, x.count, x.length, x.wait};
}
[[nodiscard]] inline slice_grant to_grant(const slice_given& x) noexcept {
  return {x.request, x.epoch, x.number, x.count, x.length, x.wait};
}

/// The place of the leader's book of budget slices in a node that may lead or not: what `slice_ask`
/// is answered from.
class slice_desk {
public:
  explicit slice_desk(const slice_rules& rules) noexcept : rules_(rules) {}

  /// This node leads from now on.
  /// @param epoch larger than any leader's before: the revision of the election
  /// @param silent for so long before `now` no other leader granted anything; longer than a slice:
  /// there was none
  void elected(std::uint64_t epoch, time_point now, duration silent = {}) {
    auto unseen = rules_.length + rules_.slack - silent;
    if (unseen <= duration::zero()
        && unseen > -rules_.window) // Slices are over; their windows are not.
      unseen = duration{1};
    book_.emplace(rules_, epoch, now, unseen);
    epoch_ = epoch;
    tenants_.clear();
  }
  /// It leads no more: to be told before another may be elected.
  void deposed() noexcept {
    book_.reset();
    tenants_.clear();
  }
  [[nodiscard]] bool leads() const noexcept { return book_.has_value(); }

  /// The answer; nothing while another leads, or if a newer question of this holder came before.
  [[nodiscard]] std::optional<slice_given> answer(const slice_ask& x, time_point now) {
    auto given = book_ ? book_->grant(to_request(x), now) : std::nullopt;
    return given ? std::optional{to_given(*given)} : std::nullopt;
  }
  /// The same for many budgets.
  [[nodiscard]] std::optional<slices_given> answer(const slices_ask& x, time_point now) {
    if (!book_)
      return std::nullopt;
    slices_given result;
    for (const auto& part : x.parts) {
      auto given =
        part.tenant == 0 ? book_->grant(to_request(part.what), now) : of_tenant(part, now);
      if (given)
        result.parts.push_back({part.tenant, to_given(*given)});
    }
    forget(now);
    return result;
  }
  /// Live; above 0. A smaller one takes effect as holders renew.
  void set_budget(std::uint32_t budget) noexcept {
    rules_.budget = budget;
    if (book_)
      book_->set_budget(budget);
  }

  /// Tenants whose slices are known.
  [[nodiscard]] std::size_t tenants() const noexcept { return tenants_.size(); }

private:
  static constexpr std::size_t most_tenants = 262'144;

  struct tenant_book {
    slice_leader book;
    struct word {
      std::uint32_t rate = 0;
      time_point heard;
    };
    std::map<std::uint64_t, word> rates; ///< As each holder knows it.
  };

  /// A tenant's rate changes at some nodes earlier than at others: the smallest that somebody goes
  /// by holds.
  std::optional<slice_grant> of_tenant(const slice_part& x, time_point now) {
    auto found = tenants_.find(x.tenant);
    if (x.rate == 0 || (found == tenants_.end() && tenants_.size() >= most_tenants))
      return std::nullopt;
    if (found == tenants_.end()) {
      slice_leader fresh{rules_, epoch_, now, book_->opens(), last_};
      found = tenants_.emplace(x.tenant, tenant_book{std::move(fresh), {}}).first;
    }
    auto& [book, rates] = found->second;
    rates[x.what.holder] = {x.rate, now};
    std::erase_if(rates, [&](const auto& one) {
      return now - one.second.heard > rules_.length + rules_.slack;
    });
    auto least = x.rate;
    for (const auto& [holder, word] : rates)
      least = std::min(least, word.rate);
    book.set_budget(least);
    return book.grant(to_request(x.what), now);
  }

  /// Looks at some books in turn: those of which nobody holds anything any more are let go. Their
  /// answers' numbers are not given again.
  void forget(time_point now) {
    for (int i = 0; i < 16 && !tenants_.empty(); ++i) {
      auto at = tenants_.upper_bound(looked_at_);
      if (at == tenants_.end())
        at = tenants_.begin();
      looked_at_ = at->first;
      auto usage = at->second.book.used(now);
      if (usage.holders > 0 || usage.resting > 0)
        continue;
      last_ = std::max(last_, at->second.book.last());
      tenants_.erase(at);
    }
  }

  slice_rules rules_;
  std::optional<slice_leader> book_; ///< Of the global budget.
  std::uint64_t epoch_ = 0;
  std::map<std::uint32_t, tenant_book> tenants_;
  std::uint32_t looked_at_ = 0;
  std::uint64_t last_ = 0; ///< Of answers of books that were let go.
};

} // namespace troupe

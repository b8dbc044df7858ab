#pragma once
#include "messages/cluster.hpp"
#include "runtime/policy/budget_slices.hpp"

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
    if (unseen <= duration::zero() && unseen > -rules_.window) // Slices are over; their windows are not.
      unseen = duration{1};
    book_.emplace(rules_, epoch, now, unseen);
  }
  /// It leads no more: to be told before another may be elected.
  void deposed() noexcept { book_.reset(); }
  [[nodiscard]] bool leads() const noexcept { return book_.has_value(); }

  /// The answer; nothing while another leads, or if a newer question of this holder came before.
  [[nodiscard]] std::optional<slice_given> answer(const slice_ask& x, time_point now) {
    auto given = book_ ? book_->grant(to_request(x), now) : std::nullopt;
    return given ? std::optional{to_given(*given)} : std::nullopt;
  }
  /// A holder said itself that it has stopped for good.
  void leave(std::uint64_t holder, time_point now) {
    if (book_)
      book_->leave(holder, now);
  }
  /// Live; above 0. A smaller one takes effect as holders renew.
  void set_budget(std::uint32_t budget) noexcept {
    rules_.budget = budget;
    if (book_)
      book_->set_budget(budget);
  }

private:
  slice_rules rules_;
  std::optional<slice_leader> book_;
};

} // namespace troupe

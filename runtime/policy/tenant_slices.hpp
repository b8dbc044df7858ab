#pragma once
#include "runtime/policy/budget_slices.hpp"
#include "runtime/policy/recent_map.hpp"

#include <algorithm>
#include <memory>

namespace troupe {

/// One node's slices of the rates of tenants: a book (`slice_holder`) for each tenant that has a
/// rate and wanted something here lately. Outlives the governor, as the node's slice of the global
/// budget does.
///
/// A book is forgotten when its tenant was quiet for `quiet_after`, its slice is over and its
/// window is empty. Numbers of requests go on rising over all books of the node: no late answer to
/// a forgotten book's request can be taken for one to its successor's.
class tenant_slices {
public:
  static constexpr std::size_t most_books = 65'536;
  static constexpr duration window = std::chrono::seconds{1};
  static constexpr duration together = window / 8; ///< What is due within it is asked at once.
  static constexpr duration quiet_after = std::chrono::seconds{10};

  explicit tenant_slices(std::uint64_t holder, std::size_t most = most_books) noexcept
    : holder_(holder), most_(most) {}

  /// A tenant that has a rate wants something. Without a place for its book it has no slice: its
  /// calls wait.
  void want(std::uint32_t tenant, time_point now) {
    forget(now);
    if (!books_.find(tenant)) {
      if (books_.size() >= most_)
        return;
      auto& fresh = books_.touch(tenant).book;
      fresh = std::make_unique<slice_holder>(holder_, window, now, last_);
      fresh->hold(unseen_until_);
      due_ = std::min(due_, now);
    }
    books_.touch(tenant).wanted = now;
  }
  /// So many of its requests wait.
  void hurry(std::uint32_t tenant, std::uint32_t waiting, time_point now) noexcept {
    if (auto* found = books_.find(tenant))
      due_ = std::min(due_, found->book->next_ask(now, waiting));
  }

  [[nodiscard]] slice_holder* find(std::uint32_t tenant) noexcept {
    auto* found = books_.find(tenant);
    return found ? found->book.get() : nullptr;
  }
  [[nodiscard]] const slice_holder* find(std::uint32_t tenant) const noexcept {
    auto* found = books_.find(tenant);
    return found ? found->book.get() : nullptr;
  }

  /// When to ask the leader; the end of time: not before somebody wants something.
  [[nodiscard]] time_point due() const noexcept { return due_; }

  /// Calls `send(tenant, slice_request)` for each book whose time to ask has come or comes soon, so
  /// that they travel together; no more than `most` at once.
  /// @param waits tells how many requests of a tenant wait
  template <class W, class F>
  void ask(time_point now, std::size_t most, W&& waits, F&& send) {
    forget(now);
    due_ = time_point::max();
    books_.for_each([&](std::uint32_t tenant, share& x) {
      auto waiting = waits(tenant);
      if (waiting == 0 && now - x.wanted >= quiet_after)
        return;
      if (x.book->next_ask(now, waiting) <= now + together && most > 0) {
        --most;
        auto asked = x.book->ask(now, waiting);
        last_ = std::max(last_, asked.number);
        send(tenant, asked);
      }
      due_ = std::min(due_, x.book->next_ask(now, waiting));
    });
  }

  void take(std::uint32_t tenant, const slice_grant& x, time_point now) noexcept {
    if (auto* found = books_.find(tenant)) {
      found->book->take(x, now);
      due_ = std::min(due_, found->book->next_ask(now, 0));
    }
  }

  /// A tenant got a rate that had none, so what it did is not known here: it counts as full. All
  /// books of tenants whom `whose` picks, and those that are made before `until`.
  template <class P>
  void unseen(time_point until, P&& whose) {
    unseen_until_ = std::max(unseen_until_, until);
    books_.for_each([&](std::uint32_t tenant, share& x) {
      if (whose(tenant))
        x.book->hold(until);
    });
  }

  [[nodiscard]] std::size_t size() const noexcept { return books_.size(); }
  /// Requests in the fullest window.
  [[nodiscard]] std::uint32_t used(time_point now) const noexcept {
    std::uint32_t result = 0;
    books_.for_each(
      [&](std::uint32_t, const share& x) { result = std::max(result, x.book->used(now)); });
    return result;
  }

private:
  struct share {
    std::unique_ptr<slice_holder> book;
    time_point wanted{};
  };

  void forget(time_point now) {
    for (int i = 0; i < 2 && !books_.empty(); ++i) {
      auto& front = books_.oldest();
      if (now - front.wanted < quiet_after || now < front.book->expires() || !front.book->idle(now))
        return;
      books_.erase_oldest();
    }
  }

  std::uint64_t holder_;
  std::size_t most_;
  std::uint64_t last_ = 0; ///< Of all requests.
  time_point due_ = time_point::max();
  time_point unseen_until_ = time_point::min();
  recent_map<std::uint32_t, share> books_; ///< Quiet ones first.
};

} // namespace troupe

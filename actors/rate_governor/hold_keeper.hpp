#pragma once
#include "messages/cluster.hpp"
#include "messages/journal.hpp"
#include "messages/rate_governor.hpp"
#include "runtime/policy/time.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <functional>
#include <vector>

namespace troupe {

/// Has the journal keep what 429s taught, as soon as they do: many together, one message under way
/// at a time. What could not be kept is tried again as long as it holds.
class hold_keeper {
public:
  /// More wait only where the store does not answer; then bots that move are told again by a 429.
  static constexpr std::size_t most = 65'536;
  static constexpr std::size_t most_together = 1000;

  hold_keeper(rate_governor_actor::pointer self, std::function<journal_actor()> journal)
    : self_(self), journal_(std::move(journal)) {}

  void keep(past_hold what, time_point until, time_point now) {
    if (until <= now || waiting_.size() >= most)
      return;
    waiting_.push_back({std::move(what), until});
    send(now);
  }

  /// What is not kept yet, to go with another message.
  [[nodiscard]] std::vector<past_hold> take(time_point now) { return take(now, waiting_.size()); }

private:
  struct hold {
    past_hold what;
    time_point until;
  };

  std::vector<past_hold> take(time_point now, std::size_t count) {
    std::vector<past_hold> result;
    std::erase_if(waiting_, [now](const hold& x) { return x.until <= now; });
    count = std::min(count, waiting_.size());
    for (std::size_t i = 0; i < count; ++i) {
      result.push_back(std::move(waiting_[i].what));
      result.back().left = waiting_[i].until - now;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    return result;
  }

  void send(time_point now) {
    if (busy_)
      return;
    auto journal = journal_ ? journal_() : journal_actor{};
    pasts_keep what;
    if (journal)
      what.holds = take(now, most_together);
    else if (!waiting_.empty())
      return again();
    if (what.holds.empty())
      return;
    busy_ = true;
    self_->request(journal, std::chrono::seconds{10}, what)
      .then(
        [this](done) {
          busy_ = false;
          send(self_->clock().now());
        },
        [this, what, now](const caf::error&) {
          busy_ = false;
          for (const auto& one : what.holds)
            if (waiting_.size() < most)
              waiting_.push_back({one, now + one.left});
          again();
        });
  }

  void again() {
    busy_ = true;
    self_->run_delayed(std::chrono::seconds{1}, [this] {
      busy_ = false;
      send(self_->clock().now());
    });
  }

  rate_governor_actor::pointer self_;
  std::function<journal_actor()> journal_;
  std::vector<hold> waiting_;
  bool busy_ = false;
};

} // namespace troupe

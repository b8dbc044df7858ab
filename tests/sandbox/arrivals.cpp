#include "tests/sandbox/arrivals.hpp"

#include <algorithm>

namespace troupe::sandbox {

void arrival_log::note(std::int64_t bot) {
  if (capacity_ == 0)
    return;
  std::lock_guard lock{mutex_};
  entries_.push_back({bot, clock::now()}); // Under the lock: they stand in their order.
  if (entries_.size() > capacity_) {
    entries_.pop_front();
    ++first_;
  }
}

std::string arrival_log::report(std::uint64_t from) const {
  using std::chrono::microseconds;
  std::lock_guard lock{mutex_};
  auto next = first_ + entries_.size();
  auto lost = from < first_;
  std::string out =
    R"({"next":)" + std::to_string(next) + (lost ? R"(,"lost":true)" : "") + R"(,"arrivals":[)";
  for (auto i = std::clamp(from, first_, next); i < next; ++i) {
    auto& x = entries_[i - first_];
    auto at = std::chrono::duration_cast<microseconds>(x.at.time_since_epoch()).count();
    out +=
      (out.back() == '[' ? "[" : ",[") + std::to_string(x.bot) + ',' + std::to_string(at) + ']';
  }
  return out + "]}";
}

void arrival_log::reset() {
  std::lock_guard lock{mutex_};
  first_ += entries_.size();
  entries_.clear();
}

} // namespace troupe::sandbox

#include "runtime/policy/permit_log.hpp"

#include <algorithm>

namespace troupe {

void permit_log::append(time_point now, const charge& what, std::uint64_t call) {
  if (size_ == ring_.size()) {
    auto young = size_ > 0 && now - at(0).at < horizon_;
    if (size_ == 0 || (young && size_ * 2 <= max_entries_)) {
      grow();
    } else {
      if (young)
        lost_until_ = at(0).at;
      first_ = (first_ + 1) & (ring_.size() - 1);
      --size_;
    }
  }
  at(size_++) = stamp{now, what, call, false};
}

void permit_log::grow() {
  std::vector<stamp> bigger(std::max<std::size_t>(64, ring_.size() * 2));
  for (std::size_t i = 0; i < size_; ++i)
    bigger[i] = at(i);
  ring_ = std::move(bigger);
  first_ = 0;
}

std::optional<charge> permit_log::revoke(time_point when, std::int64_t bot,
                                         std::int64_t chat) noexcept {
  stamp* found = nullptr;
  for (auto i = size_; i > 0 && at(i - 1).at >= when; --i)
    if (auto& entry = at(i - 1);
        entry.at == when && entry.what.bot == bot && entry.what.chat == chat && !entry.revoked)
      if (!found || entry.what.paid)
        found = &entry;
  if (!found)
    return std::nullopt;
  found->revoked = true;
  return found->what;
}

std::optional<permit_log::stamp> permit_log::revoke_call(std::uint64_t call,
                                                         time_point after) noexcept {
  for (auto i = size_; i > 0 && at(i - 1).at > after; --i)
    if (auto& entry = at(i - 1); entry.call == call && !entry.revoked) {
      entry.revoked = true;
      return entry;
    }
  return std::nullopt;
}

void permit_log::merge_bot(std::int64_t from, std::int64_t to) noexcept {
  for (std::size_t i = 0; i < size_; ++i)
    if (at(i).what.bot == from)
      at(i).what.bot = to;
}

} // namespace troupe

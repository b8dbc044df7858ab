#include "runtime/policy/pull.hpp"

#include "runtime/policy/recent_map.hpp"

#include <algorithm>

namespace troupe::pull {
namespace {

std::uint64_t hash_of(const key& x) noexcept {
  return mix(static_cast<std::uint64_t>(x.id) + 0x9E3779B97F4A7C15u * (x.kind + 1u));
}

std::uint32_t count_of(std::int64_t negative) noexcept {
  return static_cast<std::uint32_t>(std::min<std::int64_t>(-(negative + 1), 0xFFFF'FFFE) + 1);
}

} // namespace

plan plan_of_bot(std::int64_t offset) {
  plan result;
  if (offset > 0) {
    result.below = offset;
    result.after = offset - 1;
  } else if (offset < 0) {
    result.keep_last = count_of(offset);
  }
  return result;
}

std::size_t sharing::key_hash::operator()(const key& x) const noexcept {
  return static_cast<std::size_t>(hash_of(x));
}

void sharing::begin(std::int64_t worker, time_point now) {
  auto& x = workers_[worker];
  x.seen = std::max(x.seen, now);
  ++x.polls;
}

void sharing::end(std::int64_t worker, time_point now) {
  auto found = workers_.find(worker);
  if (found == workers_.end())
    return;
  found->second.seen = std::max(found->second.seen, now);
  if (found->second.polls > 0)
    --found->second.polls;
}

plan sharing::plan_of(std::int64_t worker, std::int64_t offset) {
  plan result;
  auto& before = workers_[worker].offset;
  bool again = before == offset;
  before = offset;
  if (offset < 0) {
    // Others' updates are not its to drop.
    if (workers_.size() <= 1)
      result.keep_last = count_of(offset);
    return result;
  }
  auto last = handed_.find(offset - 1);
  if (offset == 0 || last == handed_.end() || last->second.worker != worker)
    return result;
  for (auto at = again ? last : handed_.begin(); at->first < offset; ++at) {
    if (at->second.worker == worker)
      result.ids.push_back(at->first);
    if (at == last)
      break;
  }
  return result;
}

void sharing::drop(std::map<std::int64_t, holding>::iterator at) {
  auto owner = owners_.find(at->second.of);
  if (owner != owners_.end() && --owner->second.updates == 0)
    owners_.erase(owner);
  handed_.erase(at);
}

void sharing::forget(const std::vector<std::int64_t>& ids) {
  for (auto id : ids)
    if (auto at = handed_.find(id); at != handed_.end())
      drop(at);
}

void sharing::forget_all() {
  handed_.clear();
  owners_.clear();
}

std::int64_t sharing::chosen(const key& x) const {
  std::int64_t best = 0;
  std::uint64_t highest = 0;
  auto hash = hash_of(x);
  for (const auto& [worker, unused] : workers_) {
    auto score = mix(hash ^ mix(static_cast<std::uint64_t>(worker)));
    if (best == 0 || score > highest) {
      best = worker;
      highest = score;
    }
  }
  return best;
}

bool sharing::wants(std::int64_t worker, const offer& x) const {
  auto owner = owners_.find(x.of);
  return (owner != owners_.end() ? owner->second.worker : chosen(x.of)) == worker;
}

void sharing::handed(std::int64_t worker, const offer& x) {
  if (!handed_.try_emplace(x.id, holding{worker, x.of}).second)
    return;
  auto& owner = owners_[x.of];
  owner.worker = worker;
  ++owner.updates;
}

bool sharing::expire(time_point now) {
  bool any = false;
  for (auto at = workers_.begin(); at != workers_.end();) {
    if (at->second.polls > 0 || at->second.seen + silence_ > now) {
      ++at;
      continue;
    }
    any = true;
    for (auto x = handed_.begin(); x != handed_.end();) {
      auto here = x++;
      if (here->second.worker == at->first)
        drop(here);
    }
    at = workers_.erase(at);
  }
  return any;
}

time_point sharing::next_expiry() const {
  auto due = time_point::max();
  for (const auto& [worker, x] : workers_)
    if (x.polls == 0)
      due = std::min(due, x.seen + silence_);
  return due;
}

} // namespace troupe::pull

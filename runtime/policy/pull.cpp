#include "runtime/policy/pull.hpp"

#include "runtime/policy/recent_map.hpp"

#include <algorithm>
#include <limits>

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
  } else if (offset < 0) {
    result.keep_last = count_of(offset);
  }
  return result;
}

// -- book -----------------------------------------------------------------------

bool book::in_doubt(const id_and_seq& x, std::int64_t offset) const {
  if (x.first != offset - 1)
    return x.first < offset;
  return x.first == anchor_
         && std::find(anchor_seqs_.begin(), anchor_seqs_.end(), x.second) == anchor_seqs_.end();
}

plan book::named(std::int64_t offset) {
  plan result;
  offset_ = offset;
  if (offset <= 0)
    return result;
  constexpr auto lowest = std::numeric_limits<std::int64_t>::min();
  auto end = handed_.lower_bound({offset, lowest});
  std::vector<std::int64_t> seen;
  for (auto at = handed_.lower_bound({offset - 1, lowest}); at != end; ++at)
    if (!in_doubt(at->first, offset) || at->second.named != offset)
      seen.push_back(at->first.second);
    else if (at->second.times >= most_times)
      result.hopeless.push_back(at->first.second);
  for (auto at = handed_.begin(); at != end && at->first.first < offset - 1; ++at)
    if (at->second.named == offset) { // The answer to the same offset may have been lost.
      if (at->second.times >= most_times)
        result.hopeless.push_back(at->first.second);
    } else if (!seen.empty()) {
      result.seqs.push_back(at->first.second);
    }
  if (seen.empty())
    return result;
  result.seqs.insert(result.seqs.end(), seen.begin(), seen.end());
  anchor_ = offset - 1;
  anchor_seqs_ = std::move(seen);
  return result;
}

void book::confirmed_below(std::int64_t offset) {
  anchor_ = offset - 1;
  anchor_seqs_.clear();
}

/// @returns what its offset confirms
std::vector<std::int64_t> book::know_again(const book& before, std::int64_t offset) {
  auto id = offset - 1;
  bool known = before.anchor_ == id;
  auto seen = known ? before.anchor_seqs_ : std::vector<std::int64_t>{};
  for (auto at = before.handed_.lower_bound({id, std::numeric_limits<std::int64_t>::min()});
       at != before.handed_.end() && at->first.first == id; ++at)
    if (!before.in_doubt(at->first, offset)) {
      known = true;
      seen.push_back(at->first.second);
    }
  if (!known)
    return {};
  anchor_ = id;
  anchor_seqs_ = std::move(seen);
  return book{before}.named(offset).seqs;
}

const book::entries::value_type& book::entry_of(std::int64_t seq) const {
  return *std::find_if(handed_.begin(), handed_.end(),
                       [seq](const auto& x) { return x.first.second == seq; });
}

void book::handed(const offer& x) {
  auto& to = handed_[{x.id, x.seq}];
  to.named = offset_;
  to.times = in_doubt({x.id, x.seq}, offset_) ? to.times + 1 : 0;
  to.received = x.received;
}

bool book::doubted(const offer& x) const {
  auto found = handed_.find({x.id, x.seq});
  return found != handed_.end() && found->second.times > 0 && in_doubt(found->first, offset_);
}

bool book::knows(std::int64_t offset) const {
  auto at = handed_.lower_bound({offset - 1, std::numeric_limits<std::int64_t>::min()});
  return at != handed_.end() && at->first.first == offset - 1;
}

void book::forget(const std::vector<std::int64_t>& seqs) {
  std::erase_if(handed_, [&](const auto& x) {
    return std::find(seqs.begin(), seqs.end(), x.first.second) != seqs.end();
  });
}

void book::keep(const std::vector<offer>& only) {
  std::erase_if(handed_, [&](const auto& x) {
    return std::none_of(only.begin(), only.end(), [&](const offer& y) {
      return y.id == x.first.first && y.seq == x.first.second;
    });
  });
}

// -- sharing --------------------------------------------------------------------

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
  if (offset > 0) {
    auto& out = workers_[worker].out;
    if (auto before = former_.extract(worker))
      out.resume(before.mapped().out, offset,
                 [this](std::int64_t seq) { return handed_.contains(seq); });
    return out.named(offset);
  }
  former_.erase(worker); // It begins anew, too.
  (void)workers_[worker].out.named(0);
  // Others' updates are not its to drop.
  if (offset < 0 && workers_.size() <= 1)
    result.keep_last = count_of(offset);
  return result;
}

bool sharing::drop(std::map<std::int64_t, holding>::iterator at) {
  bool moved = false;
  auto owner = owners_.find(at->second.of);
  if (owner != owners_.end() && --owner->second.updates == 0) {
    moved = chosen(owner->first) != owner->second.worker;
    owners_.erase(owner);
  }
  handed_.erase(at);
  return moved;
}

bool sharing::forget(const std::vector<std::int64_t>& seqs) {
  bool moved = false;
  for (auto seq : seqs)
    if (auto at = handed_.find(seq); at != handed_.end())
      moved = drop(at) || moved;
  for (auto& [worker, x] : workers_)
    x.out.forget(seqs);
  return moved;
}

void sharing::forget_all() {
  handed_.clear();
  owners_.clear();
  for (auto& [worker, x] : workers_)
    x.out.clear();
}

const book* sharing::book_of(std::int64_t worker) const {
  auto found = workers_.find(worker);
  return found == workers_.end() ? nullptr : &found->second.out;
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
  reserve(worker, x);
  workers_[worker].out.handed(x);
}

void sharing::reserve(std::int64_t worker, const offer& x) {
  if (!handed_.try_emplace(x.seq, holding{worker, x.of}).second)
    return;
  auto& owner = owners_[x.of];
  owner.worker = worker;
  ++owner.updates;
}

bool sharing::expire(time_point now) {
  bool any = false;
  std::erase_if(former_, [now](const auto& x) { return x.second.until <= now; });
  for (auto at = workers_.begin(); at != workers_.end();) {
    if (at->second.polls > 0 || at->second.seen + silence_ > now) {
      ++at;
      continue;
    }
    any = true;
    former_[at->first] = {std::move(at->second.out), now + memory_};
    for (auto x = handed_.begin(); x != handed_.end();) {
      auto here = x++;
      if (here->second.worker == at->first)
        drop(here);
    }
    at = workers_.erase(at);
  }
  return any;
}

time_point sharing::remembers_until() const {
  time_point until{};
  for (const auto& [worker, x] : former_)
    until = std::max(until, x.until);
  return until;
}

time_point sharing::next_expiry() const {
  auto due = time_point::max();
  for (const auto& [worker, x] : workers_)
    if (x.polls == 0)
      due = std::min(due, x.seen + silence_);
  return due;
}

} // namespace troupe::pull

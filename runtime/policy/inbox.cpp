#include "runtime/policy/inbox.hpp"

#include "runtime/policy/mutation.hpp"

#include <algorithm>
#include <utility>

namespace troupe::inbox {
namespace {

std::pair<bool, std::int64_t> rank(const item& x) noexcept {
  return {!x.urgent, x.seq};
}

} // namespace

bool window::add(const item& x) {
  auto pos = std::lower_bound(
    entries_.begin(), entries_.end(), x,
    [](const entry& a, const item& b) { return rank(a.what) < rank(b); });
  pass(x);
  if (pos != entries_.end() && pos->what.seq == x.seq)
    return false;
  auto& of = *lanes_.try_emplace(x.of).first;
  if (of.second.given_up) // There is one before it that is not here.
    return false;
  ++of.second.entries;
  bytes_ += x.bytes;
  entries_.insert(pos, entry{.what = x, .of = &of});
  return true;
}

void window::pass(const item& x) noexcept {
  auto& last = x.urgent ? after_urgent_ : after_;
  last = std::max(last, x.seq);
}

std::optional<start> window::take_expired(time_point now) {
  for (const auto& x : entries_)
    if (!x.running && (x.what.expires <= now || (x.failures > 1 && TROUPE_MUTATION("update-dropped")))) {
      start gone{x.what.seq, x.starts};
      // What failed and will not be tried again holds up its key no longer.
      if (x.failures > 0)
        x.of->second.not_before = time_point{};
      erase(gone.seq);
      return gone;
    }
  return std::nullopt;
}

time_point window::opens() const noexcept {
  return down_ ? std::max(held_until_, down_until_) : held_until_;
}

std::optional<start> window::next(time_point now) {
  if (opens() > now || (down_ && probe_ != 0))
    return std::nullopt;
  for (auto& x : entries_) {
    auto& of = x.of->second;
    if (x.running || (of.running && !TROUPE_MUTATION("chat-overtaken")) || of.not_before > now
        || x.what.expires <= now)
      continue;
    x.running = of.running = true;
    ++running_;
    if (down_)
      probe_ = x.what.seq;
    return start{x.what.seq, ++x.starts};
  }
  return std::nullopt;
}

void window::delivered(std::int64_t seq) {
  auto* x = find_running(seq);
  if (!x)
    return;
  stop(*x);
  x->of->second.not_before = time_point{};
  erase(seq);
  down_ = false;
  probe_ = 0;
  rounds_ = 0;
  failed_.clear();
}

void window::failed(std::int64_t seq, time_point now, double random, bool counted) {
  auto* x = find_running(seq);
  if (!x)
    return;
  note_failure(*x, now, random);
  stop(*x);
  x->counted += counted ? 1 : 0;
  auto n = x->failures++;
  x->of->second.not_before = n == 0 ? now : now + limits_.pause.delay(n, random);
}

void window::dead(std::int64_t seq, time_point now, double random) {
  auto* x = find_running(seq);
  if (!x)
    return;
  note_failure(*x, now, random);
  stop(*x);
  x->of->second.not_before = time_point{};
  erase(seq);
}

void window::later(std::int64_t seq, time_point until) {
  auto* x = find_running(seq);
  if (!x)
    return;
  if (probe_ == seq)
    probe_ = 0;
  stop(*x);
  --x->starts;
  x->of->second.not_before = until;
}

void window::note_failure(entry& x, time_point now, double random) {
  bool known = std::find(failed_.begin(), failed_.end(), x.what.of) != failed_.end();
  if (!known && failed_.size() < limits_.down_after)
    failed_.push_back(x.what.of);
  bool probe = down_ && probe_ == x.what.seq;
  if (!probe && (down_ || failed_.size() < limits_.down_after))
    return;
  down_ = true;
  probe_ = 0;
  down_until_ = now + limits_.pause.delay(++rounds_, random);
}

void window::release() noexcept {
  held_until_ = down_until_ = time_point{};
  down_ = false;
  probe_ = 0;
  rounds_ = 0;
  failed_.clear();
  for (auto& [of, state] : lanes_)
    state.not_before = time_point{};
}

void window::make_room(time_point now) {
  if (room().items > 0 || down_ || opens() > now)
    return;
  std::vector<item> behind;
  std::vector<const lane*> seen;
  std::size_t bytes = 0;
  for (const auto& x : entries_) {
    const auto& of = x.of->second;
    if (of.not_before <= now || of.running || of.entries < 2)
      continue;
    if (std::find(seen.begin(), seen.end(), &of) == seen.end()) {
      seen.push_back(&of); // Its first stays.
      continue;
    }
    behind.push_back(x.what);
    bytes += x.what.bytes;
  }
  if (behind.size() * 4 < limits_.max_items && bytes * 4 < limits_.max_bytes)
    return;
  for (const auto& x : behind) {
    lanes_.find(x.of)->second.given_up = true;
    erase(x.seq);
  }
}

void window::forget_waiting() {
  std::vector<std::int64_t> waiting;
  for (const auto& x : entries_)
    if (!x.running)
      waiting.push_back(x.what.seq);
  for (auto seq : waiting)
    erase(seq);
  rewind();
}

time_point window::next_due(time_point now) const noexcept {
  auto result = time_point::max();
  bool shut = down_ && probe_ != 0;
  for (const auto& x : entries_) {
    if (x.running)
      continue;
    result = std::min(result, x.what.expires);
    auto& of = x.of->second;
    if (!shut && !of.running)
      result = std::min(result, std::max({of.not_before, opens(), now}));
  }
  return result;
}

time_point window::next_expiry() const noexcept {
  auto result = time_point::max();
  for (const auto& x : entries_)
    if (!x.running)
      result = std::min(result, x.what.expires);
  return result;
}

window::space window::room() const noexcept {
  if (entries_.size() > limits_.max_items / 2 || bytes_ > limits_.max_bytes / 2)
    return {};
  return {limits_.max_items - entries_.size(), limits_.max_bytes - bytes_};
}

std::uint32_t window::attempts(std::int64_t seq) const noexcept {
  const auto* x = find(seq);
  return x ? x->counted : 0;
}

std::uint32_t window::starts(std::int64_t seq) const noexcept {
  const auto* x = find(seq);
  return x ? x->starts : 0;
}

const window::entry* window::find(std::int64_t seq) const noexcept {
  auto pos = std::find_if(entries_.begin(), entries_.end(),
                          [seq](const entry& x) { return x.what.seq == seq; });
  return pos == entries_.end() ? nullptr : &*pos;
}

window::entry* window::find_running(std::int64_t seq) noexcept {
  for (auto& x : entries_)
    if (x.what.seq == seq)
      return x.running ? &x : nullptr;
  return nullptr;
}

void window::stop(entry& x) noexcept {
  x.running = x.of->second.running = false;
  --running_;
}

void window::erase(std::int64_t seq) {
  auto pos = std::find_if(entries_.begin(), entries_.end(),
                          [seq](const entry& x) { return x.what.seq == seq; });
  bytes_ -= pos->what.bytes;
  auto of = pos->what.of;
  if (--pos->of->second.entries == 0) {
    if (pos->of->second.given_up)
      rewind();
    lanes_.erase(of);
  }
  entries_.erase(pos);
}

} // namespace troupe::inbox

#include "runtime/policy/budget_slices.hpp"

#include "runtime/policy/mutation.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace troupe {
namespace {

/// Requests that are not answered after so many others never are.
constexpr std::size_t most_sent = 32;

/// Over how many windows a holder's use is smoothed, and in how many what waits should be gone: a
/// share that follows every change of demand rests more than it works.
constexpr double smooth_windows = 10;

/// What waits all the time is no such change, and should be gone in so many. Of a share that is
/// right, that is two standard deviations of what comes in a window, if it comes by chance.
constexpr double standing_windows = 2;
constexpr double standing_learnt = 0.7;
constexpr double standing_by_chance = 2;

/// Whoever has the odd request keeps it until another is owed so many turns more.
constexpr double stickiness = 1;

double seconds_of(duration x) {
  return std::chrono::duration<double>(x).count();
}

} // namespace

// -- the leader's book ---------------------------------------------------------

slice_leader::slice_leader(const slice_rules& rules, std::uint64_t epoch, time_point now,
                           duration unseen)
  : rules_(rules), epoch_(epoch),
    opens_(unseen > duration::zero() ? now + unseen + rules.window + rules.slack : now),
    divided_(now) {}

std::optional<slice_grant> slice_leader::grant(const slice_request& x, time_point now) {
  settle(now);
  auto& of = holders_[x.holder];
  if (x.number <= of.request)
    return std::nullopt;
  note(of, x, now);
  follow(of, x, now);
  std::uint32_t count = 0;
  if (now >= opens_) {
    divide(now);
    count = decide(of);
  }
  if (TROUPE_MUTATION("slice-unconfirmed"))
    of.slices.clear();
  while (!of.slices.empty() && of.slices.back().count <= count)
    of.slices.pop_back();
  of.slices.push_back({++last_, count, now + rules_.length + rules_.slack});
  return slice_grant{x.number, epoch_,        last_,
                     count,    rules_.length, std::max(opens_ - now, duration{0})};
}

slice_leader::usage slice_leader::used(time_point now) {
  settle(now);
  usage result{.budget = rules_.budget};
  for (auto& [id, of] : holders_) {
    result.held += of.charge();
    result.resting += of.taken() - of.charge();
    result.holders += of.slices.empty() ? 0 : 1;
  }
  return result;
}

/// What ended by `now` rests from its end on; what rested is free.
void slice_leader::settle(time_point now) {
  for (auto i = holders_.begin(); i != holders_.end();) {
    auto& of = i->second;
    while (!of.slices.empty() && of.slices.front().ends <= now) {
      rest(of, of.slices.front(), of.slices.front().ends);
      of.slices.pop_front();
    }
    of.asks = !of.slices.empty();
    std::erase_if(of.past, [now](auto& one) { return one.ends <= now; });
    i = of.slices.empty() && of.past.empty() ? holders_.erase(i) : std::next(i);
  }
}

void slice_leader::rest(account& of, outstanding x, time_point since) const {
  x.ends = since + rules_.window + rules_.slack;
  if (x.count > 0 && !TROUPE_MUTATION("slice-not-rested"))
    of.past.push_back(x);
}

/// What the request says about its holder.
void slice_leader::note(account& of, const slice_request& x, time_point now) const {
  auto first = of.request == 0;
  of.asks = true;
  auto windows = seconds_of(now - of.heard) / seconds_of(rules_.window);
  auto weight = [&](double over) { return first ? 1.0 : 1.0 - std::exp(-windows / over); };
  of.used += weight(smooth_windows) * (x.used - of.used);
  if (x.waiting < of.standing)
    of.standing = x.waiting;
  else if (!first)
    of.standing += weight(standing_learnt) * (x.waiting - of.standing);
  of.waiting = x.waiting;
  of.request = x.number;
  of.heard = now;
}

/// Slices older than the one that the holder goes by are over. What went by them it has counted: no
/// window that ends later holds more of that. Said late, that may be long past: it is never more
/// than what was taken up to now.
void slice_leader::follow(account& of, const slice_request& x, time_point now) const {
  if (x.epoch != epoch_ || x.grant == 0)
    return;
  auto before = of.taken();
  auto older = [&](auto& one) { return one.number < x.grant; };
  std::erase_if(of.slices, older);
  std::erase_if(of.past, older);
  rest(of, {x.grant - 1, std::min(x.used, before), {}}, now);
}

std::uint32_t slice_leader::free() const noexcept {
  std::uint64_t taken = 0;
  for (auto& [id, of] : holders_)
    taken += of.taken();
  return taken < rules_.budget ? static_cast<std::uint32_t>(rules_.budget - taken) : 0;
}

/// Pours `left` evenly, but no more into one than it holds. @returns what is left over
/// @param holds how much that is, and where it goes
template <class F>
double slice_leader::pour(double left, F holds) {
  std::vector<std::pair<double, double*>> cups;
  for (auto& [id, of] : holders_)
    if (of.asks)
      cups.push_back(holds(of));
  std::sort(cups.begin(), cups.end());
  auto n = cups.size();
  for (auto& [most, into] : cups) {
    auto part = std::min(most, left / static_cast<double>(n--));
    *into += part;
    left -= part;
  }
  return std::max(left, 0.0);
}

/// Each holder's need is met up to one common level, which is as high as the budget allows. If all
/// needs are met, what is left goes to whom requests wait at; if none do any more, all get the same
/// part of it, and the leader keeps one such part.
void slice_leader::divide_fairly() {
  auto left = pour(rules_.budget, [&](account& of) {
    of.fair = 0;
    auto stands = of.standing - standing_by_chance * std::sqrt(of.used);
    auto more = std::max(of.waiting / smooth_windows, stands / standing_windows);
    return std::pair{of.used + more, &of.fair};
  });
  left = pour(left, [&](account& of) { return std::pair<double, double*>{of.waiting, &of.fair}; });
  auto asking = std::ranges::count_if(holders_, [](auto& one) { return one.second.asks; });
  for (auto& [id, of] : holders_)
    of.fair = of.asks ? of.fair + left / static_cast<double>(asking + 1) : 0;
}

/// What each should hold, in whole requests. The odd ones go to where requests wait, for elsewhere
/// they are idle for a part of the time; of those, to whom is owed most.
void slice_leader::divide(time_point now) {
  auto turns = seconds_of(now - divided_) / seconds_of(rules_.turn);
  divided_ = now;
  divide_fairly();
  std::vector<std::tuple<bool, double, account*>> claims;
  double sum = 0;
  std::uint32_t whole = 0;
  for (auto& [id, of] : holders_) {
    of.want = static_cast<std::uint32_t>(of.fair + 1e-9);
    sum += of.fair;
    whole += of.want;
    of.owed += turns * (of.fair - of.charge());
    of.owed = of.asks && of.used + of.waiting > 0 ? std::clamp(of.owed, -1.0, 1.0) : 0;
    auto kept = of.promised() > of.want ? stickiness : 0;
    if (of.asks)
      claims.emplace_back(of.waiting > 0, of.owed + kept, &of);
  }
  std::ranges::stable_sort(claims, [](auto& a, auto& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) > std::tie(std::get<0>(b), std::get<1>(b));
  });
  auto odd = static_cast<std::size_t>(sum + 1e-6) - whole;
  for (std::size_t i = 0; i < std::min(odd, claims.size()); ++i)
    ++std::get<account*>(claims[i])->want;
}

/// A holder keeps what it has unless others lack it, and grows by what is free.
std::uint32_t slice_leader::decide(const account& of) const noexcept {
  if (of.want > of.charge())
    return std::min(of.want, of.taken() + free()); // What it used itself need not rest for it.
  // What others lack, beyond what is free or about to be.
  std::int64_t lacking = 0;
  std::int64_t promised = 0;
  for (auto& [id, other] : holders_) {
    lacking += other.want - std::min(other.want, other.promised());
    promised += other.promised();
  }
  lacking -= std::max<std::int64_t>(rules_.budget - promised, 0);
  auto over = std::int64_t{of.promised()} - of.want;
  // A smaller budget takes from all that have more than they should.
  lacking = std::max(lacking, promised - std::int64_t{rules_.budget});
  auto give = std::clamp<std::int64_t>(lacking, 0, std::max<std::int64_t>(over, 0));
  return static_cast<std::uint32_t>(std::max<std::int64_t>(of.promised(), of.want) - give);
}

// -- a holder's book -----------------------------------------------------------

time_point slice_holder::next_ask(time_point now, std::uint32_t waiting) const noexcept {
  auto held = limit(now);
  auto at = asked_ + length_ / 3;
  if (waiting > held)
    at = std::min(at, asked_ + window_length_ / 4);
  return believed_ > held ? std::min(at, events_.opens(rules(held + 1), now)) : at;
}

slice_request slice_holder::ask(time_point now, std::uint32_t waiting) {
  auto used = events_.used(window_length_, now);
  believed_ = std::max(limit(now), used);
  asked_ = now;
  sent_.emplace_back(++last_, now);
  if (sent_.size() > most_sent)
    sent_.pop_front();
  return {id_, last_, epoch_, grant_, used, waiting};
}

void slice_holder::take(const slice_grant& x, time_point now) noexcept {
  auto newer = std::pair{x.epoch, x.number} > std::pair{epoch_, grant_};
  auto found =
    std::find_if(sent_.begin(), sent_.end(), [&](auto& one) { return one.first == x.request; });
  if (!newer || found == sent_.end())
    return;
  epoch_ = x.epoch;
  grant_ = x.number;
  count_ = x.count;
  last_count_ = x.count > 0 ? x.count : last_count_;
  largest_ = std::max(largest_, x.count);
  length_ = x.length;
  expires_ = found->second + x.length;
  believed_ = std::max(believed_, limit(now));
  begins_ = found->second + x.wait;
  sent_.erase(sent_.begin(), std::next(found));
}

time_point slice_holder::opens(time_point now, std::uint32_t ahead,
                               std::uint32_t most) const noexcept {
  most = std::min(most, limit(now));
  if (most == 0)
    return time_point::max();
  auto at = events_.opens(rules(most), now, ahead);
  return at < expires_ ? at : time_point::max();
}

time_point slice_holder::expected(time_point now, std::uint32_t ahead, std::uint32_t most,
                                  std::uint32_t holders, std::uint32_t without) const noexcept {
  auto held = limit(now) > 0 ? limit(now) : last_count_;
  auto from = limit(now) > 0 ? now : std::max(now, begins_);
  if (held == 0)
    return events_.opens(rules(most), from, ahead);
  auto even = holders > 0 ? most / holders : 0;
  auto count = std::min(std::max(held, even), most);
  return events_.opens(rules(count > without ? count - without : 1), from, ahead);
}

void slice_holder::record(time_point now) {
  events_.record(rules(largest_), now);
}

} // namespace troupe

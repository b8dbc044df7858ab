#include "runtime/policy/passivation.hpp"

#include <algorithm>

namespace troupe::passivation_order {

// -- idle -----------------------------------------------------------------------------------------

void idle::add(member who, time_point at) {
  if (!contains(who))
    places_[who] = {line_.insert(line_.end(), {who, at}), false};
}

void idle::used(member who, std::uint32_t, time_point at) {
  auto found = places_.find(who);
  if (found == places_.end())
    return;
  auto& x = found->second;
  x.at->last = at;
  line_.splice(line_.end(), x.asked ? asked_ : line_, x.at);
  x.asked = false;
}

void idle::remove(member who) {
  if (auto found = places_.extract(who))
    (found.mapped().asked ? asked_ : line_).erase(found.mapped().at);
}

void idle::take(member who) {
  if (auto found = places_.find(who); found != places_.end() && !found->second.asked) {
    asked_.splice(asked_.end(), line_, found->second.at);
    found->second.asked = true;
  }
}

std::optional<member> idle::next() {
  return next(time_point::max());
}

std::optional<member> idle::next(time_point by) {
  if (line_.empty() || line_.front().last > by)
    return std::nullopt;
  auto who = line_.front().who;
  take(who);
  return who;
}

// -- lru ------------------------------------------------------------------------------------------

void lru::add(member who, time_point) {
  if (!contains(who))
    places_[who] = {line_.insert(line_.end(), who), false};
}

void lru::used(member who, std::uint32_t times, time_point) {
  auto found = places_.find(who);
  if (found == places_.end())
    return;
  auto& x = found->second;
  if (times == 0 && !x.asked) // It keeps its place.
    return;
  line_.splice(line_.end(), x.asked ? asked_ : line_, x.at);
  x.asked = false;
}

void lru::remove(member who) {
  if (auto found = places_.extract(who))
    (found.mapped().asked ? asked_ : line_).erase(found.mapped().at);
}

void lru::take(member who) {
  if (auto found = places_.find(who); found != places_.end() && !found->second.asked) {
    asked_.splice(asked_.end(), line_, found->second.at);
    found->second.asked = true;
  }
}

std::optional<member> lru::next() {
  if (line_.empty())
    return std::nullopt;
  auto who = line_.front();
  take(who);
  return who;
}

// -- slru -----------------------------------------------------------------------------------------

void slru::resize(std::size_t most) {
  most_safe_ = most - std::max<std::size_t>(most / 5, std::min<std::size_t>(most, 1));
  fall_back();
}

void slru::fall_back() {
  while (safe_.size() > most_safe_) {
    places_.at(safe_.front()).of = segment::probation;
    probation_.splice(probation_.end(), safe_, safe_.begin());
  }
}

void slru::add(member who, time_point) {
  if (!contains(who))
    places_[who] = {probation_.insert(probation_.end(), who), segment::probation, false};
}

void slru::used(member who, std::uint32_t times, time_point) {
  auto found = places_.find(who);
  if (found == places_.end())
    return;
  auto& x = found->second;
  if (times == 0 && !x.asked)
    return;
  auto& from = x.asked ? asked_ : line(x.of);
  if (times > 0)
    x.of = segment::safe;
  auto& to = line(x.of);
  to.splice(to.end(), from, x.at);
  x.asked = false;
  fall_back();
}

void slru::remove(member who) {
  if (auto found = places_.extract(who)) {
    auto& x = found.mapped();
    (x.asked ? asked_ : line(x.of)).erase(x.at);
  }
}

void slru::take(member who) {
  if (auto found = places_.find(who); found != places_.end() && !found->second.asked) {
    asked_.splice(asked_.end(), line(found->second.of), found->second.at);
    found->second.asked = true;
  }
}

std::optional<member> slru::next() {
  if (probation_.empty() && safe_.empty())
    return std::nullopt;
  auto who = probation_.empty() ? safe_.front() : probation_.front();
  take(who);
  return who;
}

} // namespace troupe::passivation_order

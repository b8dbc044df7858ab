#include "actors/session_pool/session_table.hpp"

#include <algorithm>
#include <map>

namespace troupe {
namespace {

// A lease's number leads to its session and differs from all others: 16 bits of the incarnation, 32
// bits that count, 16 bits of index.
constexpr std::uint32_t max_sessions = 0xffff;

constexpr std::uint64_t lease_number(std::uint32_t epoch, std::uint64_t n, std::uint32_t index) {
  return (std::uint64_t{epoch} & 0xffffu) << 48 | (n & 0xffffffffu) << 16 | index;
}

} // namespace

session_table::session_table(const session_limits& limits, std::uint32_t epoch,
                             std::shared_ptr<net::session_port> port)
  : epoch_(epoch), port_(std::move(port)) {
  set(limits);
  for (auto& r : rooms_)
    r.idle.resize(limits_.lanes);
  all_.reserve(limits_.calls);
}

void session_table::set(const session_limits& limits) {
  limits_ = limits;
  limits_.lanes = std::max<std::uint16_t>(limits.lanes, 1);
  // Leases of before the change keep their numbers.
  limits_.calls = std::min({limits.calls, max_sessions / 2, max_sessions - rooms_[1].busy});
  limits_.files = std::min(limits.files, limits_.calls);
  limits_.requests = std::min(limits.requests, limits_.calls);
  limits_.polls = std::min(limits.polls, max_sessions - std::max(limits_.calls, rooms_[0].busy));
  rooms_[0].limit = limits_.calls;
  rooms_[1].limit = limits_.polls;
}

void session_table::change(const session_limits& limits, time_point now) {
  set(limits);
  expire(now);
  for (auto& r : rooms_)
    while (r.open > std::max(r.limit, r.busy))
      close_longest_idle(r);
}

bool session_table::has_place(call_kind kind) const noexcept {
  const auto& r = rooms_[kind == call_kind::long_poll ? 1 : 0];
  return leased(kind) < limit(kind) && r.busy < r.limit;
}

std::uint32_t session_table::room_for_requests() const noexcept {
  auto left = limits_.calls - std::min(leased(call_kind::file), limits_.calls);
  return std::min(limits_.requests, left);
}

std::uint32_t session_table::leased(call_kind kind) const noexcept {
  return leased_[static_cast<std::size_t>(kind)];
}

std::uint32_t session_table::limit(call_kind kind) const noexcept {
  switch (kind) {
  case call_kind::request:
    return limits_.requests;
  case call_kind::file:
    return limits_.files;
  case call_kind::long_poll:
    break;
  }
  return limits_.polls;
}

std::uint32_t session_table::take(call_kind kind, std::uint16_t lane, bot_id bot,
                                  std::uint64_t lessee, time_point now) {
  auto& r = room_of(kind);
  lane = static_cast<std::uint16_t>(lane % limits_.lanes);
  auto index = reuse(r, lane, now);
  if (index == no_index) {
    if (r.open >= r.limit)
      close_longest_idle(r);
    index = open(r, lane, now);
  }
  auto& x = all_[index];
  do
    x.lease = lease_number(epoch_, ++leases_, index);
  while (x.lease == 0);
  x.lessee = lessee;
  x.bot = bot;
  x.kind = kind;
  x.used = now;
  ++x.leases;
  ++r.busy;
  ++leased_[static_cast<std::size_t>(kind)];
  return index;
}

void session_table::give_back(std::uint32_t index, bool reusable, time_point now) {
  auto& x = all_[index];
  auto& r = room_of(x.kind);
  x.lease = 0;
  x.lessee = 0;
  x.bot = 0;
  x.used = now;
  --r.busy;
  --leased_[static_cast<std::size_t>(x.kind)];
  if (reusable && !worn(x, now) && r.open <= r.limit)
    r.idle[x.lane].push_front(all_, index);
  else
    close(r, index);
}

std::uint32_t session_table::find(std::uint64_t lease) const noexcept {
  auto index = static_cast<std::uint32_t>(lease & 0xffffu);
  bool running = lease != 0 && index < all_.size() && all_[index].lease == lease;
  return running ? index : no_index;
}

std::vector<std::pair<bot_id, std::uint32_t>> session_table::requests_by_bot() const {
  std::map<bot_id, std::uint32_t> counts;
  for (const auto& x : all_)
    if (x.lease != 0 && x.kind == call_kind::request)
      ++counts[x.bot];
  return {counts.begin(), counts.end()};
}

void session_table::expire(time_point now) {
  for (auto& r : rooms_)
    for (auto& lane : r.idle)
      for (auto i = lane.last; i != no_index;) {
        auto index = i;
        i = all_[i].previous;
        if (worn(all_[index], now))
          close_idle(r, index);
      }
}

std::uint32_t session_table::idle() const noexcept {
  return rooms_[0].open - rooms_[0].busy + rooms_[1].open - rooms_[1].busy;
}

std::uint32_t session_table::reuse(room& r, std::uint16_t lane, time_point now) {
  while (!r.idle[lane].empty()) {
    auto index = r.idle[lane].first;
    if (!worn(all_[index], now)) {
      r.idle[lane].remove(all_, index);
      return index;
    }
    close_idle(r, index);
  }
  return no_index;
}

std::uint32_t session_table::open(room& r, std::uint16_t lane, time_point now) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(all_.size()));
    all_.emplace_back();
  }
  auto index = free_.back();
  free_.pop_back();
  auto& x = all_[index];
  x.id = net::session_id(epoch_, ++opened_);
  x.lane = lane;
  x.opened = now;
  ++r.open;
  return index;
}

void session_table::close_longest_idle(room& r) {
  auto oldest = no_index;
  for (const auto& lane : r.idle)
    if (!lane.empty() && (oldest == no_index || all_[lane.last].used < all_[oldest].used))
      oldest = lane.last;
  if (oldest != no_index)
    close_idle(r, oldest);
}

void session_table::close_idle(room& r, std::uint32_t index) {
  r.idle[all_[index].lane].remove(all_, index);
  close(r, index);
}

void session_table::close(room& r, std::uint32_t index) {
  port_->close(all_[index].id, all_[index].lane);
  all_[index] = pooled_session{};
  free_.push_back(index);
  --r.open;
  ++closed_;
}

} // namespace troupe

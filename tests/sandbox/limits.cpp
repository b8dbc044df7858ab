#include "tests/sandbox/limits.hpp"

#include <algorithm>

namespace troupe::sandbox {

namespace {

using namespace std::chrono_literals;

// Enough to see how far over a rule the largest window is, bounded all the same.
std::size_t remembered(const window_rule& rule) noexcept {
  return std::max<std::size_t>(64, 16 * static_cast<std::size_t>(rule.limit));
}

constexpr std::size_t smallest_ring = 4;

} // namespace

void stamp_ring::grow() {
  std::vector<clock::time_point> larger(std::max(smallest_ring, stamps_.size() * 2));
  for (std::size_t i = 0; i < size_; ++i)
    larger[i] = (*this)[i];
  stamps_ = std::move(larger);
  begin_ = 0;
}

void stamp_ring::push(clock::time_point stamp, std::size_t capacity) {
  if (size_ == capacity)
    pop();
  if (size_ == stamps_.size())
    grow();
  stamps_[(begin_ + size_) & (stamps_.size() - 1)] = stamp;
  ++size_;
}

void stamp_ring::pop() noexcept {
  begin_ = (begin_ + 1) & (stamps_.size() - 1);
  --size_;
}

void violation_totals::raise(std::atomic<std::uint64_t>& most, std::uint64_t x) noexcept {
  auto known = most.load(std::memory_order_relaxed);
  while (known < x && !most.compare_exchange_weak(known, x, std::memory_order_relaxed))
    ;
}

void arrival_window::arrived(const window_rule& rule, clock::time_point now,
                             clock::duration tolerance, violation_totals& totals) {
  while (arrivals_.size() > 0 && now - arrivals_.front() >= rule.length)
    arrivals_.pop();
  arrivals_.push(now, remembered(rule));
  auto count = arrivals_.size();
  totals.saw(count);
  if (count <= rule.limit)
    return;
  totals.violations_raw.fetch_add(1, std::memory_order_relaxed);
  // The arrival that must have left a window shorter by the tolerance.
  auto early = rule.length - (now - arrivals_[count - 1 - rule.limit]);
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(early).count();
  violation_totals::raise(totals.earliest_us, static_cast<std::uint64_t>(us));
  if (early > tolerance)
    totals.violations.fetch_add(1, std::memory_order_relaxed);
}

clock::duration arrival_window::wait(const window_rule& rule, clock::time_point now,
                                     clock::duration tolerance) const noexcept {
  if (admitted_.size() < rule.limit)
    return 0s;
  auto free_at = admitted_[admitted_.size() - rule.limit] + rule.length - tolerance;
  return std::max<clock::duration>(0s, free_at - now);
}

void arrival_window::admitted(const window_rule& rule, clock::time_point now) {
  admitted_.push(now, rule.limit);
}

limits::limits(config cfg)
  : config_(cfg), rules_{{{"global", cfg.global_rps, 1s},
                          {"bot", 30, 1s},
                          {"paid", 1000, 1s},
                          {"chat", 3, 1s},
                          {"chat_long", 20, 20s},
                          {"group", 20, 60s},
                          {"polls", 1, 0s}}} {
  // nop
}

std::optional<std::chrono::seconds> limits::arrive(const arrival& x, bot_windows& bot,
                                                   clock::time_point now) {
  auto tolerance = config_.jitter_tolerance;
  if (x.counted && config_.global_rps > 0) {
    std::lock_guard lock{global_mutex_};
    global_.arrived(of(rule::global), clock::now(), tolerance, totals(rule::global));
  }
  if (!config_.enforce || !x.counted)
    return std::nullopt;
  auto of_bot = x.paid_broadcast ? rule::paid : rule::bot;
  auto& bot_window = x.paid_broadcast ? bot.paid : bot.all;
  std::lock_guard bot_lock{bot.mutex};
  bot_window.arrived(of(of_bot), now, tolerance, totals(of_bot));
  auto wait = bot_window.wait(of(of_bot), now, tolerance);
  std::unique_lock<std::mutex> chat_lock;
  auto lengthy = x.group ? rule::group : rule::chat_long;
  if (x.chat != nullptr) {
    chat_lock = std::unique_lock{x.chat->mutex};
    x.chat->lengthy.arrived(of(lengthy), now, tolerance, totals(lengthy));
    wait = std::max(wait, x.chat->lengthy.wait(of(lengthy), now, tolerance));
    if (!x.group) {
      x.chat->brief.arrived(of(rule::chat), now, tolerance, totals(rule::chat));
      wait = std::max(wait, x.chat->brief.wait(of(rule::chat), now, tolerance));
    }
  }
  if (wait > 0s)
    return std::chrono::ceil<std::chrono::seconds>(wait);
  bot_window.admitted(of(of_bot), now);
  if (x.chat != nullptr) {
    x.chat->lengthy.admitted(of(lengthy), now);
    if (!x.group)
      x.chat->brief.admitted(of(rule::chat), now);
  }
  return std::nullopt;
}

void limits::polls_open(std::uint32_t open) {
  auto& x = totals(rule::polls);
  x.saw(open);
  if (open <= of(rule::polls).limit)
    return;
  x.violations.fetch_add(1, std::memory_order_relaxed);
  x.violations_raw.fetch_add(1, std::memory_order_relaxed);
}

std::string limits::report() const {
  std::string out = R"({"limits":{)";
  for (std::size_t i = 0; i < rule_count; ++i) {
    auto& r = rules_[i];
    auto& t = totals_[i];
    auto length = std::chrono::duration_cast<std::chrono::milliseconds>(r.length).count();
    out += i == 0 ? "\"" : ",\"";
    out += std::string{r.name} + R"(":{"limit":)" + std::to_string(r.limit) + R"(,"window_ms":)"
           + std::to_string(length) + R"(,"violations":)" + std::to_string(t.violations.load())
           + R"(,"violations_raw":)" + std::to_string(t.violations_raw.load()) + R"(,"largest":)"
           + std::to_string(t.largest.load()) + R"(,"early_ms":)"
           + std::to_string(t.earliest_us.load() / 1000) + '}';
  }
  auto tolerance =
    std::chrono::duration_cast<std::chrono::milliseconds>(config_.jitter_tolerance).count();
  return out + R"(},"jitter_tolerance_ms":)" + std::to_string(tolerance) + R"(,"enforced":)"
         + (config_.enforce ? "true" : "false") + '}';
}

void limits::reset() {
  for (auto& x : totals_)
    x.reset();
  std::lock_guard lock{global_mutex_};
  global_ = {};
}

} // namespace troupe::sandbox

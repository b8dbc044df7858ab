#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sandbox {

using clock = std::chrono::steady_clock;

/// At most `limit` arrivals in any window of `length`.
struct window_rule {
  std::string_view name;
  std::uint32_t limit = 0;
  clock::duration length{0};
};

/// The published limits, as the notes on the Bot API read them.
enum class rule : std::uint8_t { global, bot, paid, chat, chat_long, group, polls };
inline constexpr std::size_t rule_count = 7;

/// The last arrivals, oldest first; bounded.
class stamp_ring {
public:
  void push(clock::time_point stamp, std::size_t capacity);
  void pop() noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] clock::time_point front() const noexcept { return (*this)[0]; }
  [[nodiscard]] clock::time_point operator[](std::size_t i) const noexcept {
    return stamps_[(begin_ + i) & (stamps_.size() - 1)];
  }

private:
  void grow();

  std::vector<clock::time_point> stamps_; ///< Size is a power of two.
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

/// What went over one rule, over all bots or chats. `violations` forgives `jitter_tolerance`.
struct violation_totals {
  std::atomic<std::uint64_t> violations{0};
  std::atomic<std::uint64_t> violations_raw{0};
  std::atomic<std::uint64_t> largest{0};
  std::atomic<std::uint64_t> earliest_us{0}; ///< By how much an arrival came too early at most.
  void reset() noexcept { violations = violations_raw = largest = earliest_us = 0; }
  void saw(std::uint64_t count) noexcept { raise(largest, count); }
  static void raise(std::atomic<std::uint64_t>& most, std::uint64_t x) noexcept;
};

/// One sliding window: watches all arrivals, and admits so many that the rule holds for what it
/// admitted. Not thread-safe.
class arrival_window {
public:
  /// Records an arrival and what it violates.
  void arrived(const window_rule& rule, clock::time_point now, clock::duration tolerance,
               violation_totals& totals);
  /// Zero if an arrival may be admitted, else the time until one may.
  [[nodiscard]] clock::duration wait(const window_rule& rule, clock::time_point now,
                                     clock::duration tolerance) const noexcept;
  void admitted(const window_rule& rule, clock::time_point now);

private:
  stamp_ring arrivals_;
  stamp_ring admitted_;
};

/// The windows of one bot, or of one chat. Made at the first use.
struct bot_windows {
  std::mutex mutex;
  arrival_window all;
  arrival_window paid;
};
struct chat_windows {
  std::mutex mutex;
  arrival_window brief;   ///< Private chats.
  arrival_window lengthy; ///< Private chats; groups have only this one.
};

/// What an arrival is to the limits.
struct arrival {
  bool counted = true; ///< False for long polls and downloads.
  bool paid_broadcast = false;
  chat_windows* chat = nullptr; ///< Set if it makes a message there.
  bool group = false;
};

/// The limits of one sandbox.
class limits {
public:
  struct config {
    bool enforce = true;          ///< --limits=telegram: 429 and all windows watched.
    std::uint32_t global_rps = 0; ///< 0: not watched. Never enforced.
    clock::duration jitter_tolerance{std::chrono::milliseconds{50}};
  };

  explicit limits(config cfg);

  /// Whether `arrive` does anything.
  [[nodiscard]] bool watching() const noexcept { return config_.enforce || config_.global_rps > 0; }
  [[nodiscard]] bool enforcing() const noexcept { return config_.enforce; }

  /// Records an arrival at `now`; the time to wait if it must be refused.
  std::optional<std::chrono::seconds> arrive(const arrival& x, bot_windows& bot,
                                             clock::time_point now);
  /// A bot has `open` polls open at once, this one included.
  void polls_open(std::uint32_t open);

  /// The document of GET /sandbox/violations.
  [[nodiscard]] std::string report() const;
  void reset();

private:
  violation_totals& totals(rule x) { return totals_[static_cast<std::size_t>(x)]; }
  const window_rule& of(rule x) const { return rules_[static_cast<std::size_t>(x)]; }

  config config_;
  std::array<window_rule, rule_count> rules_;
  std::array<violation_totals, rule_count> totals_;
  std::mutex global_mutex_;
  arrival_window global_;
};

} // namespace troupe::sandbox

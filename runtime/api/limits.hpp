#pragma once
#include "runtime/policy/recent_map.hpp"
#include "runtime/policy/sliding_window.hpp"

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::api {

/// At most so many events of one name in any minute, for many names. Exact: no sliding window of a
/// minute ever holds more. Memory is bounded: only windows that are empty are given up; with
/// `most_names` windows in use a new name has to wait until one is. Thread-safe.
class quota {
public:
  /// @param per_minute 0: no limit
  explicit quota(std::uint32_t per_minute, std::size_t most_names = 50'000);

  /// Another limit from now on; what happened before counts.
  void set(std::uint32_t per_minute);

  [[nodiscard]] std::uint32_t limit() const;

  /// How long `name` has to wait for its next event; nothing if it may happen. Takes nothing.
  [[nodiscard]] std::optional<duration> wait(std::string_view name, time_point now) const;

  /// Takes one event of `name` at `now`.
  /// @returns nothing if it may happen, else how long to wait; what may not happen counts nothing
  std::optional<duration> take(std::string_view name, time_point now);

  [[nodiscard]] std::size_t names() const;

private:
  struct text_hash {
    std::uint64_t operator()(const std::string& x) const noexcept {
      return mix(std::hash<std::string>{}(x));
    }
  };

  std::size_t most_;
  mutable std::mutex mtx_;
  rate_rules rules_; ///< Guarded by `mtx_`, as the rest.
  recent_map<std::string, sliding_window, text_hash> windows_;
  time_point latest_{};
};

} // namespace troupe::api

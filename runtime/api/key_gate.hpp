#pragma once
#include "runtime/policy/recent_map.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace troupe::api {

/// Which keys the store is asked for while their address has tried too many wrong ones.
///
/// Whoever holds a valid key must not suffer from a guesser behind the same address, and a guesser
/// must not keep the store busy. So a key that was valid when it was last seen is always looked up;
/// of all others, as many at once as `most_at_once` for each address. Memory is bounded.
/// Thread-safe.
class key_gate {
public:
  explicit key_gate(std::size_t most_keys = 50'000, std::uint32_t most_at_once = 4);

  /// Whether `key` was valid when it was last seen.
  [[nodiscard]] bool familiar(std::string_view key) const;
  void accepted(std::string_view key);
  void rejected(std::string_view key);

  /// A look-up under way; its end frees the place. Null: there is none.
  using place = std::shared_ptr<void>;
  [[nodiscard]] place enter(const std::string& address);

private:
  struct text_hash {
    std::uint64_t operator()(const std::string& x) const noexcept {
      return mix(std::hash<std::string>{}(x));
    }
  };
  /// Outlives the gate while a look-up is under way.
  struct counts {
    std::mutex mtx;
    std::map<std::string, std::uint32_t> by_address; ///< None is 0.
  };

  std::size_t most_keys_;
  std::uint32_t most_at_once_;
  mutable std::mutex mtx_;
  recent_map<std::string, bool, text_hash> known_; ///< By hash: no key stays in memory. Guarded.
  std::shared_ptr<counts> running_ = std::make_shared<counts>();
};

} // namespace troupe::api

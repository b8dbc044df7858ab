#pragma once
#include "messages/call.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

/// The virtual tokens that the gateway takes. Thread-safe. What `erase` has taken out is refused by
/// every request that comes after it.
class virtual_tokens {
public:
  using wall_time = std::chrono::system_clock::time_point;

  struct entry {
    std::int64_t id = 0;
    bot_id bot = 0;
    std::vector<std::string> methods;  ///< In small letters; empty: all.
    std::optional<wall_time> expires;
  };

  /// @param hash The keyed hash under which tokens are stored (runtime/crypto)
  explicit virtual_tokens(std::function<std::string(std::string_view token)> hash)
    : hash_(std::move(hash)) {}

  [[nodiscard]] std::string hash_of(std::string_view token) const { return hash_(token); }

  void put(std::string hash, entry what);
  bool erase(bot_id bot, std::int64_t id);
  void erase_all(bot_id bot);
  void clear();
  [[nodiscard]] std::size_t size() const;

  /// The entry of a token that is valid at `now`.
  [[nodiscard]] std::optional<entry> find(std::string_view token, wall_time now) const;

private:
  std::function<std::string(std::string_view)> hash_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, entry> entries_;
  std::unordered_multimap<bot_id, std::string> of_bot_;
};

} // namespace troupe

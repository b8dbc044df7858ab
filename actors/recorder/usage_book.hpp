#pragma once
#include "messages/store_rows.hpp"
#include "runtime/policy/space_saving.hpp"

#include <array>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

namespace troupe {

/// What bots did since the book was emptied last, by hour. Thread-safe; a count costs a lock of one
/// of many parts. Bounded: beyond `max_bots` a bot that is not in it yet is not counted.
class usage_book {
public:
  static constexpr std::size_t max_methods = 64;  ///< Of one bot; the rest is "other".
  /// Of one bot between two emptyings; twice as many as anybody is shown, so that those are right
  /// (see runtime/policy/space_saving.hpp).
  static constexpr std::size_t max_chats = 40;

  explicit usage_book(std::size_t max_bots = 200'000) : max_bots_(max_bots) {}

  /// One finished call. @param how "ok", "client_error", "rate_limited", "server_error", or where the
  /// exchange broke; calls that were refused before are not counted
  /// @param chat 0: none
  void count(bot_id bot, std::string_view method, std::string_view how, double seconds,
             std::int64_t chat, wall_ms now);

  /// One update that came. @param kind Its name; empty: one that this build does not know
  /// @param chat 0: none
  void count_update(bot_id bot, std::string_view kind, std::int64_t chat, wall_ms now);

  /// What there is, which is then gone from here.
  [[nodiscard]] std::vector<usage_delta> take();

  /// Puts back what could not be stored.
  void give_back(const std::vector<usage_delta>& what);

private:
  using key = std::pair<bot_id, std::int64_t>; ///< Bot and hour.
  struct entry {
    usage_counts calls;
    std::int64_t updates = 0;
    std::map<std::string, usage_counts, std::less<>> methods;
    std::map<std::string, std::int64_t, std::less<>> kinds;
    space_saving<std::int64_t> chats{max_chats};
  };
  struct part {
    std::mutex mutex;
    std::map<key, entry> entries;
  };

  part& part_of(bot_id bot) noexcept {
    return parts_[(static_cast<std::uint64_t>(bot) * 0x9E3779B97F4A7C15u) >> 60];
  }
  entry* find(part& in, key of) const;
  static usage_counts& counts_of(entry& in, std::string_view method);

  std::size_t max_bots_;
  std::array<part, 16> parts_;
};

} // namespace troupe

#pragma once
#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

/// The kinds of updates: in which order they must be delivered, and how long they are of use.
/// Sources: core.telegram.org/bots/api#update; the official server's queue keys and lifetimes.
namespace troupe::telegram {

/// What two updates must share to be delivered one after the other. Updates whose keys differ in
/// kind or id may be delivered side by side.
enum class queue_key_kind : std::uint8_t { chat, user, poll };

struct update_kind {
  std::string_view name;         ///< The key beside `update_id`, e.g. "callback_query".
  queue_key_kind queue;          ///< Ordered by ...
  std::string_view key_path;     ///< ... the id found here in the update's object, e.g. "chat.id".
  std::chrono::seconds lifetime; ///< From its making; afterwards nobody wants it any more.
  bool by_default = true;        ///< Delivered when `allowed_updates` is empty or was never given.

  /// Short-lived kinds are delivered first.
  [[nodiscard]] constexpr bool urgent() const noexcept { return lifetime < std::chrono::hours{24}; }
};

/// No such kind.
inline constexpr std::uint8_t unknown_update_kind = 255;

/// All kinds, in the order of the documentation. Indexes are stable within one build only.
[[nodiscard]] std::span<const update_kind> update_kinds() noexcept;

/// The index of the kind named `name` (exact case), or `unknown_update_kind`.
[[nodiscard]] std::uint8_t find_update_kind(std::string_view name) noexcept;

} // namespace troupe::telegram

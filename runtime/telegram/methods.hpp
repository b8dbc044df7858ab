#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// What the Bot API's methods are called and what repeating them does.
namespace troupe::telegram {

/// Traits of a method, combined with `|`.
enum class method_trait : std::uint8_t {
  none = 0,
  /// Changes nothing: safe to repeat.
  read = 1,
  /// Sent twice it leaves the world as sent once does. The second answer may be an error that says
  /// so ("message is not modified", "message to delete not found", "query is too old"): the caller
  /// of a retried request can get that instead of a success, but nothing happens twice.
  idempotent = 2,
  /// Makes a message appear in the chat named by `chat_id`: charged to the chat budgets. Edits,
  /// drafts and chat actions make none; answers to inline queries appear in the user's name.
  produces_message = 4,
  /// Waits on the server: getUpdates.
  long_poll = 8,
  /// Never forwarded: close and logOut would end the bot's session upstream for all its users.
  local = 16,
  /// Steers where updates go: getUpdates and the webhook methods.
  delivery = 32,
};

constexpr method_trait operator|(method_trait x, method_trait y) noexcept {
  return static_cast<method_trait>(static_cast<std::uint8_t>(x) | static_cast<std::uint8_t>(y));
}

struct method_info {
  std::string_view name; ///< Canonical spelling; empty for the unknown method.
  method_trait traits = method_trait::none;
  std::string_view result; ///< The documented type of the result, e.g. "Message", "Array<Update>".

  [[nodiscard]] constexpr bool has(method_trait x) const noexcept {
    return (static_cast<std::uint8_t>(traits) & static_cast<std::uint8_t>(x)) != 0;
  }
  /// Whether sending it twice does no harm.
  [[nodiscard]] constexpr bool repeatable() const noexcept {
    return has(method_trait::read) || has(method_trait::idempotent);
  }
};

/// The index of a method that is not in the table. It may exist all the same: the API grows.
inline constexpr std::uint16_t unknown_method = 0;

/// The table, unknown method first. Indexes are stable within one build only.
[[nodiscard]] std::span<const method_info> methods() noexcept;

/// The index of the method named `name` in any case, old names included (`kickChatMember`);
/// `unknown_method` if there is none. One hash, no allocation.
[[nodiscard]] std::uint16_t find_method(std::string_view name) noexcept;

/// Whether a method could have that name: letters, digits and underscores, not too many.
[[nodiscard]] bool is_method_name(std::string_view name) noexcept;

/// The method at `index`; the unknown method for an index out of range.
[[nodiscard]] const method_info& method(std::uint16_t index) noexcept;

} // namespace troupe::telegram

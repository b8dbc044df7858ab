#pragma once
#include "runtime/telegram/updates.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// One update, read: what must be known of it to keep it, order it and hand it on.
namespace troupe::telegram {

/// Views lead into the text that was read.
struct update_facts {
  std::int64_t id = 0;                     ///< update_id, not negative.
  std::uint8_t kind = unknown_update_kind; ///< Index into update_kinds().
  std::string_view kind_name;              ///< The key beside `update_id`; empty: there is none.
  std::chrono::seconds lifetime{};         ///< From its making.
  bool urgent = false;                     ///< Of a short-lived kind.

  /// What it is ordered by (messages/updates.hpp, queue_key): 0 for chats; the kind's index plus
  /// one for what is ordered by user or poll; 255 for what names neither.
  std::uint8_t queue_kind = 0;
  std::int64_t queue_id = 0;

  std::int64_t chat = 0;   ///< The chat it is about, or that its message is in; 0: none.
  std::int64_t sender = 0; ///< The user who caused it; 0: nobody, or not told.
  std::string_view text;   ///< `text` of a message, as written in JSON (escaped).
};

/// What an update is, without building a document of it. Nothing for what is no JSON object (RFC
/// 8259, UTF-8, at most 100 levels deep) with an `update_id`. Never throws. The kind is the first
/// key that is one; without any, the first key whose value is an object.
[[nodiscard]] std::optional<update_facts> read_update(std::string_view json) noexcept;

/// The code of `/start CODE` or `/start@some_bot CODE`, if that is all that the update's message
/// says; codes are of `A-Z a-z 0-9 _ -`, at most 64 (core.telegram.org/bots/features#deep-linking).
[[nodiscard]] std::optional<std::string> start_code(const update_facts& x);

/// The answer of getUpdates: each update's own text, in their order, not checked: one that is
/// broken spoils no other. Nothing for what is no successful answer.
[[nodiscard]] std::optional<std::vector<std::string_view>> split_updates(std::string_view answer);

/// 64 bits of a text, the same on every machine and in every version: it is stored. Not for
/// anything that must withstand a search for collisions.
[[nodiscard]] std::uint64_t content_hash(std::string_view text) noexcept;

} // namespace troupe::telegram

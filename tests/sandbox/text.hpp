#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::sandbox {

/// Text with entities, as a Bot API message shows it.
struct formatted_text {
  std::string text;
  std::string entities; ///< A JSON array; empty: none.
  std::string error;    ///< Why the markup cannot be read; empty: it could.
};

/// Length in UTF-16 code units, in which the Bot API counts.
[[nodiscard]] std::size_t utf16_length(std::string_view text) noexcept;

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// The JSON array of what Telegram finds in plain text: commands, mentions, hashtags, URLs; empty
/// if there is nothing.
[[nodiscard]] std::string find_entities(std::string_view text);

/// Reads HTML ("HTML") or the new Markdown ("MarkdownV2"); other modes are taken as plain text.
[[nodiscard]] formatted_text parse_markup(std::string_view text, std::string_view mode);

/// `,"NAME":"…"[,"ENTITIES":[…]]`: the members of a message that show a text.
[[nodiscard]] std::string text_members(std::string_view name, std::string_view entities_name,
                                       std::string_view text, std::string_view entities);

} // namespace troupe::sandbox

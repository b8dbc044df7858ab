#pragma once
#include "runtime/log/mask.hpp"

#include <string>
#include <string_view>

namespace troupe::log {

/// Appends `text` as a JSON string with its quotes. Control characters are escaped, bytes that are
/// no UTF-8 become U+FFFD: the result is always valid JSON in valid UTF-8.
void append_json_string(std::string& out, std::string_view text);

/// Appends `text` for a terminal: quoted only if it is empty or holds blanks, quotes or `=`;
/// control characters are escaped, so a value can neither forge a line nor send terminal commands.
void append_plain(std::string& out, std::string_view text);

/// Appends free text for a terminal: never quoted, escaped like `append_plain`.
void append_sentence(std::string& out, std::string_view text);

} // namespace troupe::log

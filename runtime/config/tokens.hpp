#pragma once
#include "runtime/config/settings.hpp"

#include <string_view>
#include <vector>

namespace troupe::config {

/// Fills `to.tokens` from `to.tokens_file` and from `from_environment` (separated by commas). The
/// same token twice counts once. @returns what is wrong, never with more of a token than its number
[[nodiscard]] std::vector<std::string> read_tokens(bot_settings& to,
                                                   std::string_view from_environment);

/// Digits, a colon, 35 of A-Z a-z 0-9 _ -.
[[nodiscard]] bool is_token(std::string_view text) noexcept;

/// 32 bytes in base64, padded.
[[nodiscard]] bool is_master_key(std::string_view text) noexcept;

} // namespace troupe::config

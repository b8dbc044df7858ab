#pragma once
#include "runtime/crypto/bytes.hpp"

namespace troupe::crypto {

/// SHA-256 of `text`, as 43 characters of base64url.
[[nodiscard]] std::string plain_hash(std::string_view text);

/// What a secret is stored and found by: HMAC-SHA-256 under `key` over the purpose, a zero byte and
/// the text (RFC 2104), as 43 characters of base64url.
///
/// Keyed, because some of what is hashed has too few bits to withstand guessing (verification
/// codes), and because whoever has the database alone shall not be able to tell whether a token
/// that he knows is in it. The purpose keeps the kinds apart: a virtual token's hash is never a
/// code's.
[[nodiscard]] std::string keyed_hash(const secret_key& key, std::string_view purpose,
                                     std::string_view text);

/// Purposes of keyed hashes and seals: stored for ever, never changed.
namespace purpose {
inline constexpr std::string_view bot_token = "bot-token";
inline constexpr std::string_view virtual_token = "virtual-token";
inline constexpr std::string_view verification_code = "verification-code";
inline constexpr std::string_view api_key = "api-key";
inline constexpr std::string_view lookup_key = "lookup-key";
} // namespace purpose

} // namespace troupe::crypto

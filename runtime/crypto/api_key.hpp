#pragma once
#include "runtime/crypto/random.hpp"

namespace troupe::crypto {

/// API keys: `trp_o_` (operator) or `trp_t_` (tenant), 43 characters of base64url (258 random bits)
/// and 6 characters that check the rest, so that a truncated or mistyped key is told from a wrong
/// one without asking the store.
///
/// Stored as a keyed hash, not as a password hash: those (bcrypt, argon2) slow down the guessing of
/// what people choose. Nobody guesses 256 random bits, so the slowness would buy nothing and cost
/// every request its price.
enum class api_key_kind : std::uint8_t { operator_key, tenant_key };

inline constexpr std::size_t api_key_length = 6 + 43 + 6;
inline constexpr std::size_t api_key_prefix_length = 14;

[[nodiscard]] secret_text make_api_key(api_key_kind kind, const random_source& source);

/// The kind, if `text` has the form of a key and its check characters are right.
[[nodiscard]] std::optional<api_key_kind> api_key_form(std::string_view text);

/// What may be shown and stored of a key, so that its owner recognises it: the kind and 8 of its
/// characters (48 bits; 210 stay secret).
[[nodiscard]] std::string api_key_prefix(std::string_view key);

} // namespace troupe::crypto

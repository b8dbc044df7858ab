#pragma once
#include "runtime/crypto/random.hpp"

namespace troupe::crypto {

/// What the owner of a bot sends to it as `/start CODE`: 10 characters of Crockford's alphabet
/// (50 random bits; no I, L, O, U, which people mistake), allowed in a Telegram deep link.
[[nodiscard]] std::string make_verification_code(const random_source& source);

/// The code as it was made, if a person may have typed it so: small letters, blanks or hyphens
/// between, O for 0, I and L for 1. Empty when it can be no code.
[[nodiscard]] std::string read_verification_code(std::string_view typed);

/// A token in the form of a bot's own (`123456:` and 35 characters, 210 random bits), so that every
/// client library takes it. Its bot id is the real one: libraries compare it with getMe's answer.
[[nodiscard]] secret_text make_virtual_token(std::int64_t bot, const random_source& source);

} // namespace troupe::crypto

#pragma once
#include "runtime/crypto/bytes.hpp"

#include <functional>

namespace troupe::crypto {

/// Where random bytes come from. A simulation puts a seeded generator here; everything else uses
/// `os_random`.
using random_source = std::function<void(std::span<std::uint8_t>)>;

/// The operating system's generator through OpenSSL's. Thread-safe.
/// The source throws crypto_error (no_randomness).
[[nodiscard]] random_source os_random();

[[nodiscard]] secret_key random_key(const random_source& source);

/// `length` characters of `alphabet` (2 to 256 different ones), each equally likely.
[[nodiscard]] std::string random_text(const random_source& source, std::string_view alphabet,
                                      std::size_t length);

/// The 64 characters of base64url, of which tokens and keys are made.
inline constexpr std::string_view token_alphabet =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A number without sign bit, for ids that nobody should guess; never 0.
[[nodiscard]] std::int64_t random_id(const random_source& source);

} // namespace troupe::crypto

#pragma once
#include <string_view>

/// What PEM texts hold, as OpenSSL would take it from them.
namespace troupe::crypto {

/// Whether there is a certificate in it. Other parts may stand before it.
[[nodiscard]] bool holds_certificate(std::string_view pem);

/// Whether there is a private key in it that can be used without a passphrase.
[[nodiscard]] bool holds_private_key(std::string_view pem);

/// Whether the private key of `key` is that of the first certificate of `certificate`: false, too,
/// if either of them is missing.
[[nodiscard]] bool is_key_of(std::string_view key, std::string_view certificate);

} // namespace troupe::crypto

#include "runtime/crypto/bytes.hpp"

#include <openssl/crypto.h>

#include <algorithm>

namespace troupe::crypto {
namespace {

constexpr std::string_view standard =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_safe =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(byte_view bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t held = 0;
  int bits = 0;
  for (auto byte : bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 6; bits -= 6)
      out += alphabet[(held >> (bits - 6)) & 63];
  }
  if (bits > 0)
    out += alphabet[(held << (6 - bits)) & 63];
  return out;
}

std::optional<std::string> decode(std::string_view text, std::string_view alphabet) {
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t held = 0;
  int bits = 0;
  for (auto c : text) {
    auto digit = alphabet.find(c);
    if (digit == std::string_view::npos)
      return std::nullopt;
    held = (held << 6) | static_cast<std::uint32_t>(digit);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>((held >> bits) & 255);
    }
  }
  // A lone digit holds no byte; bits that are left over must be zero.
  if (text.size() % 4 == 1 || (held & ((1u << bits) - 1)) != 0) {
    wipe(out);
    return std::nullopt;
  }
  return out;
}

} // namespace

void wipe(void* data, std::size_t size) noexcept {
  OPENSSL_cleanse(data, size);
}

void wipe(std::string& text) noexcept {
  // What lies between size and capacity may be the rest of a longer secret.
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

secret_key::secret_key(byte_view bytes) {
  if (bytes.size() != size)
    throw crypto_error(failure::bad_key, "a key has 32 bytes");
  std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

bool operator==(const secret_key& a, const secret_key& b) noexcept {
  return CRYPTO_memcmp(a.bytes_.data(), b.bytes_.data(), secret_key::size) == 0;
}

secret_text::secret_text(std::string text) noexcept : text_(std::move(text)) {
  wipe(text); // A short text was copied, not moved.
}

secret_text::secret_text(secret_text&& other) noexcept : text_(std::move(other.text_)) {
  wipe(other.text_);
}

secret_text& secret_text::operator=(secret_text&& other) noexcept {
  if (this != &other) {
    wipe(text_);
    text_ = std::move(other.text_);
    wipe(other.text_);
  }
  return *this;
}

bool same(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_base64(byte_view bytes) {
  auto out = encode(bytes, standard);
  out.resize((out.size() + 3) / 4 * 4, '=');
  return out;
}

std::string to_base64url(byte_view bytes) {
  return encode(bytes, url_safe);
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0)
    return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i)
    text.remove_suffix(1);
  return decode(text, standard);
}

std::optional<std::string> from_base64url(std::string_view text) {
  return decode(text, url_safe);
}

} // namespace troupe::crypto

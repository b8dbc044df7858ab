#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace troupe::crypto {

using byte_view = std::span<const std::uint8_t>;

/// What went wrong in this room. The sentence never holds a secret.
enum class failure : std::uint8_t {
  no_randomness, ///< The operating system gave none.
  unknown_key,   ///< Sealed under a master key that the ring does not hold.
  damaged,       ///< Not what was sealed, or sealed for something else.
  bad_key,       ///< A master key is missing or malformed.
  library,       ///< OpenSSL failed: out of memory.
};

class crypto_error : public std::runtime_error {
public:
  crypto_error(failure what, const std::string& sentence)
    : std::runtime_error(sentence), kind_(what) {}
  [[nodiscard]] failure kind() const noexcept { return kind_; }

private:
  failure kind_;
};

/// Overwrites memory in a way that the compiler may not leave out.
void wipe(void* data, std::size_t size) noexcept;

/// Overwrites a string's whole buffer and leaves it empty.
void wipe(std::string& text) noexcept;

/// 32 bytes of key; overwritten when they die. Never printed, compared in constant time.
class secret_key {
public:
  static constexpr std::size_t size = 32;

  /// @throws crypto_error (bad_key) unless there are 32 bytes
  explicit secret_key(byte_view bytes);
  secret_key(const secret_key&) = default;
  secret_key& operator=(const secret_key&) = default;
  ~secret_key() { wipe(bytes_.data(), size); }

  [[nodiscard]] std::span<const std::uint8_t, size> reveal() const noexcept { return bytes_; }
  friend bool operator==(const secret_key& a, const secret_key& b) noexcept;

private:
  std::array<std::uint8_t, size> bytes_;
};

/// A text that is overwritten when it dies: an opened token, a new key before it is shown.
class secret_text {
public:
  secret_text() = default;
  explicit secret_text(std::string text) noexcept;
  secret_text(secret_text&& other) noexcept;
  secret_text& operator=(secret_text&& other) noexcept;
  secret_text(const secret_text&) = delete;
  secret_text& operator=(const secret_text&) = delete;
  ~secret_text() { wipe(text_); }

  [[nodiscard]] const std::string& reveal() const noexcept { return text_; }
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }

private:
  std::string text_;
};

/// Equality whose duration depends on the lengths alone, which are no secret.
[[nodiscard]] bool same(std::string_view a, std::string_view b) noexcept;

/// Base64 with `+/` and padding (RFC 4648 §4): the form of master keys.
[[nodiscard]] std::string to_base64(byte_view bytes);

/// Base64 with `-_`, without padding (RFC 4648 §5): the form of all that is stored or shown.
[[nodiscard]] std::string to_base64url(byte_view bytes);

/// Nothing unless `text` is exactly what the encoder makes of some bytes.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);
[[nodiscard]] std::optional<std::string> from_base64url(std::string_view text);

[[nodiscard]] inline byte_view as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

} // namespace troupe::crypto

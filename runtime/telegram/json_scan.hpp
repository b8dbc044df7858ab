#pragma once
#include <cstdint>
#include <string_view>

/// Walks over JSON without building anything. For the files of this folder only.
namespace troupe::telegram {

/// Checks what it walks over (RFC 8259, UTF-8); after an error everything fails.
class json_scan {
public:
  static constexpr int max_depth = 100;

  explicit json_scan(std::string_view text) noexcept
    : at_(text.data()), end_(text.data() + text.size()) {}

  /// Whether nothing but blanks is left.
  [[nodiscard]] bool finished() noexcept {
    blanks();
    return at_ == end_;
  }

  /// The next thing's first character, or 0.
  [[nodiscard]] char peek() noexcept {
    blanks();
    return at_ == end_ ? '\0' : *at_;
  }

  [[nodiscard]] const char* position() const noexcept { return at_; }

  /// An object: `member(key)` is called for each, and must walk over the value.
  template <class Member>
  [[nodiscard]] bool object(Member&& member) noexcept {
    if (!take('{') || ++depth_ > max_depth)
      return false;
    if (!take('}'))
      for (;;) {
        std::string_view key;
        if (!string(key) || !take(':') || !member(key))
          return false;
        if (take('}'))
          break;
        if (!take(','))
          return false;
      }
    --depth_;
    return true;
  }

  /// An array: `element()` is called for each, and must walk over it.
  template <class Element>
  [[nodiscard]] bool array(Element&& element) noexcept {
    if (!take('[') || ++depth_ > max_depth)
      return false;
    if (!take(']'))
      for (;;) {
        if (!element())
          return false;
        if (take(']'))
          break;
        if (!take(','))
          return false;
      }
    --depth_;
    return true;
  }

  /// A string; `text` is what stands between the quotes, escapes and all.
  [[nodiscard]] bool string(std::string_view& text) noexcept;

  /// Any value.
  [[nodiscard]] bool skip() noexcept;

  /// Any value, whose inside is not checked: as far as its quotes and brackets tell.
  [[nodiscard]] bool pass() noexcept;

  /// Any value. `number` is set when it is a whole number of 64 bits, also as a string.
  [[nodiscard]] bool whole(std::int64_t& number, bool& is_one) noexcept;

private:
  void blanks() noexcept {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t'))
      ++at_;
  }
  [[nodiscard]] bool take(char what) noexcept {
    blanks();
    if (at_ == end_ || *at_ != what)
      return false;
    ++at_;
    return true;
  }
  [[nodiscard]] bool word(std::string_view what) noexcept;
  [[nodiscard]] bool number() noexcept;
  [[nodiscard]] bool escape() noexcept;
  [[nodiscard]] bool beyond_ascii() noexcept;

  const char* at_;
  const char* end_;
  int depth_ = 0;
};

} // namespace troupe::telegram

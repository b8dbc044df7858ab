#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// What the fuzz targets share: a check that ends the program, and inputs that people can write.
namespace troupe::fuzz {

[[noreturn]] inline void broken(const char* what, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  std::abort();
}

/// An input's parts, separated by lines that hold `--` alone, so that a seed is a readable text.
class parts {
public:
  parts(const std::uint8_t* data, std::size_t size)
    : rest_(reinterpret_cast<const char*>(data), size) {}

  /// The next part; empty when there is none left.
  std::string_view next() {
    constexpr std::string_view separator = "\n--\n";
    auto end = std::min(rest_.find(separator), rest_.size());
    auto part = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + separator.size(), rest_.size()));
    return part;
  }

  /// All that is left, separators and all.
  std::string_view rest() {
    auto all = rest_;
    rest_ = {};
    return all;
  }

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }

private:
  std::string_view rest_;
};

/// A token that inputs hold (the dictionaries know it), and what nobody may be told of it: the
/// beginning of what stands behind its colon.
inline constexpr std::string_view token = "123456789:kQ7wXv2RtY9pLm4ZsB8nHc5JdG3fTe6WaUx";
inline constexpr std::string_view secret = token.substr(10, 8);

inline bool tells(std::string_view text) { return text.find(secret) != std::string_view::npos; }

/// Whether `input` holds no part of the token but within whole ones: those are recognised.
inline bool whole_tokens_only(std::string_view input) {
  for (auto at = input.find(secret); at != std::string_view::npos; at = input.find(secret, at + 1))
    if (at < 10 || input.substr(at - 10, token.size()) != token)
      return false;
  return true;
}

} // namespace troupe::fuzz

#define HOLDS(x) ((x) ? void() : ::troupe::fuzz::broken(#x, __FILE__, __LINE__))

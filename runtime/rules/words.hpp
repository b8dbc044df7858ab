#pragma once
#include <string>
#include <string_view>
#include <vector>

/// Words of any script, for comparison.
namespace troupe::rules {

/// Longer texts are not looked at beyond so many characters: as many as a message can have.
inline constexpr std::size_t max_text = 4096;

/// The words of UTF-8 text in their order: runs of letters and digits, case folded; everything
/// else parts them. What is no UTF-8 parts words too.
[[nodiscard]] std::vector<std::u32string> words_of(std::string_view text);

/// How many UTF-16 units the Bot API counts for UTF-8 text.
[[nodiscard]] std::size_t utf16_units(std::string_view text) noexcept;

/// The longest beginning of UTF-8 text of at most so many UTF-16 units that ends with a whole
/// character.
[[nodiscard]] std::string_view first_units(std::string_view text, std::size_t units) noexcept;

} // namespace troupe::rules

#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace troupe::config {

/// Reads bots' numbers that are separated by commas and spaces. Nothing, if one of them is none.
[[nodiscard]] std::optional<std::vector<std::int64_t>> parse_bot_ids(std::string_view text);

} // namespace troupe::config

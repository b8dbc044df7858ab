#pragma once
#include <caf/config_value.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// One `key = value` of a file.
struct entry {
  std::string name; ///< Groups and key, joined by dots: "gateway.port".
  caf::config_value value;
  int line = 0; ///< From 1.
};

struct parsed_file {
  std::vector<entry> entries; ///< In their order.
  std::string error;          ///< Empty: correct syntax. Else what is wrong, in one phrase.
  int line = 0;               ///< Where the error is.
};

/// Parses text in CAF's configuration syntax. Stricter than CAF's own reader of files: a text that
/// ends too early, a key set twice and a duration that overflows are errors.
[[nodiscard]] parsed_file parse_file(std::string_view text);

} // namespace troupe::config

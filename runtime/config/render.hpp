#pragma once
#include "runtime/config/schema.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

/// Texts made from the schema.
namespace troupe::config {

/// A commented file for the configuration directory, with the values of `values`.
/// @param only the keys to write; empty: all of them
[[nodiscard]] std::string render_file(const file_info& which, const settings& values,
                                      std::span<const std::string_view> only = {});

/// The file `text` with the comments of this version: its settings stay, in the schema's order.
/// @returns nothing if `load` would reject it
[[nodiscard]] std::optional<std::string> rewrite_file(const file_info& which,
                                                      std::string_view text);

/// All settings, for `--dump-config`. Secrets are left out or masked.
[[nodiscard]] std::string render_dump(const settings& values);

/// The text of `--help`; with a file's name, only its settings.
[[nodiscard]] std::string render_help(std::string_view program, std::string_view file = {});

} // namespace troupe::config

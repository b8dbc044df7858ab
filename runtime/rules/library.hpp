#pragma once
#include "runtime/rules/program.hpp"

#include <filesystem>
#include <string>

/// The programs of the node's config files: `DIR/NAME.json` is called NAME. Thread-safe.
namespace troupe::rules {

/// Reads all of a folder's programs and replaces those known before; a folder that is not there
/// has none. @throws bad_rules naming the file; what was known stays
void load_library(const std::filesystem::path& folder);

/// What is wrong with a folder's programs: naming the file, empty if nothing is.
[[nodiscard]] std::string check_library(const std::filesystem::path& folder);

/// Null: no program is called so.
[[nodiscard]] std::shared_ptr<const program> find_in_library(std::string_view name);

} // namespace troupe::rules

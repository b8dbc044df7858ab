#pragma once
#include "runtime/config/schema.hpp"

#include <caf/config_value.hpp>

#include <optional>
#include <string>

/// One setting's value: reading, checking, showing.
namespace troupe::config {

/// Sets what was written in a file. @returns false, and changes nothing, unless it has the right
/// type and is allowed.
[[nodiscard]] bool assign(const option& what, settings& to, const caf::config_value& value);

/// Sets what was written on the command line or in the environment: like a file's value, a text
/// without quotes.
[[nodiscard]] bool assign_text(const option& what, settings& to, std::string_view text);

/// What may be written, as the end of a sentence: "an integer from 1 to 100000 (connections)".
[[nodiscard]] std::string allowed(const option& what);

/// The value as a file would hold it: `30s`, `"reject"`, `true`. Passwords in URIs are masked.
[[nodiscard]] std::string shown(const option& what, const settings& from);

/// A value that was rejected, for a message; whatever looks like a token is masked.
[[nodiscard]] std::string shown(const caf::config_value& value);

/// `text` in quotes, as a file would hold it.
[[nodiscard]] std::string quoted(std::string_view text);

/// "90s", "1500ms": the largest unit that holds it exactly.
[[nodiscard]] std::string shown(caf::timespan value);

/// Reads "30s" (ns, us, ms, s, min, h, d); negative or overflowing ones are rejected.
[[nodiscard]] std::optional<caf::timespan> read_timespan(std::string_view text);

/// Reads "65536" or "64KiB" (KiB, MiB, GiB).
[[nodiscard]] std::optional<std::int64_t> read_bytes(std::string_view text);

} // namespace troupe::config

#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

/// Structured logs: one event, one line (JSON or human-readable; see docs and configs/log.conf).
/// Thread-safe, never blocks on the output for long, never drops a supervision event.
/// A field's value must never hold a token: pass bot ids.
namespace troupe::log {

enum class level : std::uint8_t { debug, info, warning, error };

struct field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};

/// Writes one line: `ts`, `level`, `event` ("lease.reclaimed"), `actor` ("troupe.session-pool"),
/// then the fields in their order. `note` is the sentence for people ("subject verb object").
void event(level lvl, std::string_view event, std::string_view actor,
           std::initializer_list<field> fields = {}, std::string_view note = {});

/// Whether a line of this level would be written.
[[nodiscard]] bool enabled(level lvl) noexcept;

} // namespace troupe::log

#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// Structured logs: one event, one line (JSON or human-readable; see docs and configs/log.conf).
/// Thread-safe, never blocks on the output for long, never drops a supervision event.
/// A field's value must never hold a token: pass bot ids.
///
/// Lines go through a queue to one writing thread. A full queue makes the caller wait instead of
/// dropping the line; a thread that logs therefore pays for rendering only, as long as the output
/// keeps up.
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

/// How a line looks. `automatic`: human on a terminal, JSON otherwise.
enum class format : std::uint8_t { automatic, json, human };

struct options {
  level threshold = level::info;
  format how = format::automatic;
  std::string file; ///< Appended to; empty: standard error.
  std::string node; ///< Adds `node` to every JSON line unless it is empty.
};

/// Starts the writing thread, or replaces the output (also to reopen a rotated file). Lines logged
/// before go to standard error, human-readable, from level info on.
/// @returns why the file cannot be written; the output is then what it was.
[[nodiscard]] std::optional<std::string> init(const options& how);

/// Changes the threshold at once.
void set_level(level threshold) noexcept;

/// Returns when everything logged before has been handed to the operating system.
void flush();

/// Flushes and ends the writing thread; later lines go to standard error. Call it last in main().
void shutdown();

/// "debug", "info", "warning", "error".
[[nodiscard]] std::string_view name_of(level lvl) noexcept;
[[nodiscard]] std::optional<level> level_from(std::string_view name) noexcept;

} // namespace troupe::log

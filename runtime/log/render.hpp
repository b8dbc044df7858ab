#pragma once
#include "runtime/log/log.hpp"

#include <chrono>
#include <string>

namespace troupe::log {

/// One event, as it was logged.
struct record {
  std::chrono::system_clock::time_point at;
  level lvl = level::info;
  std::string_view event;
  std::string_view actor;
  std::initializer_list<field> fields;
  std::string_view note;
};

/// Appends the JSON object, without a line break. `node` is left out when it is empty.
void append_json(std::string& out, const record& what, std::string_view node);

/// Appends the aligned line for people, without a line break.
void append_human(std::string& out, const record& what, bool coloured);

/// Appends RFC 3339 in UTC with milliseconds: "2024-05-01T12:00:00.123Z".
void append_timestamp(std::string& out, std::chrono::system_clock::time_point at);

} // namespace troupe::log

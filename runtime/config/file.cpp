#include "runtime/config/file.hpp"

#include <caf/detail/parser/read_config.hpp>
#include <caf/parser_state.hpp>
#include <caf/pec.hpp>

#include <algorithm>
#include <charconv>
#include <limits>

namespace troupe::config {
namespace {

/// What CAF's grammar calls while it reads; collects flat entries.
struct collector {
  caf::string_parser_state* at = nullptr;
  std::vector<entry> entries;

  void add(const std::string& name, caf::config_value value, int line) {
    entries.push_back({name, std::move(value), line});
  }
};

/// A list, for which no setting has a use yet: read to be able to say so.
struct list_reader {
  void end_list() {
    // A list has no effect until it is complete: then it is the value.
    if (owner != nullptr)
      owner->add(name, caf::config_value{caf::config_value::list{}}, line);
  }
  list_reader begin_list() { return {nullptr, {}, 0}; }
  list_reader begin_map() { return {nullptr, {}, 0}; }
  void end_map() {}
  void key(const std::string&) {}
  template <class T>
  void value(T&&) {}

  collector* owner = nullptr;
  std::string name;
  int line = 0;
};

struct map_reader {
  map_reader begin_map() { return {owner, current + '.', {}, 0}; }
  list_reader begin_list() { return {owner, current, line}; }
  void end_map() {}
  void key(std::string name) {
    current = prefix + name;
    line = owner->at->line;
  }
  template <class T>
  void value(T&& x) {
    owner->add(current, caf::config_value{std::forward<T>(x)}, line);
  }

  collector* owner = nullptr;
  std::string prefix;
  std::string current;
  int line = 0;
};

std::string describe(caf::pec code) {
  switch (code) {
  case caf::pec::unexpected_eof:
    return "the file ends too early (a missing } or \" or ])";
  case caf::pec::unexpected_newline:
    return "a value or a closing quote is missing";
  case caf::pec::fractional_timespan:
    return "a duration must be a whole number with its unit: 1500ms";
  case caf::pec::integer_overflow:
  case caf::pec::integer_underflow:
  case caf::pec::timespan_overflow:
  case caf::pec::exponent_overflow:
  case caf::pec::exponent_underflow:
    return "a number is too large";
  case caf::pec::invalid_escape_sequence:
    return "an unknown \\ sequence in a text";
  default:
    return "unexpected character (a text needs quotes; a group is NAME { … }; a setting is "
           "KEY = VALUE on a line of its own)";
  }
}

/// Skips a text in quotes or a comment that begins at `pos`. @returns the position behind it
std::size_t skip_opaque(std::string_view text, std::size_t pos) {
  if (text[pos] == '#')
    return std::min(text.find('\n', pos), text.size());
  for (auto i = pos + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == text[pos] || text[i] == '\n')
      return i + 1;
  }
  return text.size();
}

int line_of(std::string_view text, std::size_t pos) {
  return static_cast<int>(
           std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(pos), '\n'))
         + 1;
}

/// The line of a duration that does not fit in 64 bits of nanoseconds, which CAF's parser would let
/// wrap around; 0 if there is none.
int overflowing_line(std::string_view text) {
  struct {
    std::string_view unit;
    std::int64_t factor;
  } constexpr units[] = {{"us", 1'000},
                         {"ms", 1'000'000},
                         {"s", 1'000'000'000},
                         {"min", 60'000'000'000},
                         {"h", 3'600'000'000'000}};
  auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t pos = 0; pos < text.size();) {
    if (text[pos] == '#' || text[pos] == '"' || text[pos] == '\'') {
      pos = skip_opaque(text, pos);
      continue;
    }
    auto begin = pos++;
    if (!is_digit(text[begin]))
      continue;
    while (pos < text.size() && is_digit(text[pos]))
      ++pos;
    std::int64_t count = 0;
    auto failed = std::from_chars(text.data() + begin, text.data() + pos, count).ec;
    for (auto& one : units)
      if (text.substr(pos).starts_with(one.unit)
          && (failed != std::errc{}
              || count > std::numeric_limits<std::int64_t>::max() / one.factor))
        return line_of(text, pos);
  }
  return 0;
}

/// The line of a `<`, with which CAF's grammar begins a URI; 0 if there is none. No setting is one,
/// and CAF 0.18.7 does not survive each that is wrong (uri_builder).
int uri_line(std::string_view text) {
  for (std::size_t pos = 0; pos < text.size();)
    if (text[pos] == '#' || text[pos] == '"' || text[pos] == '\'')
      pos = skip_opaque(text, pos);
    else if (text[pos++] == '<')
      return line_of(text, pos);
  return 0;
}

/// Removes a byte order mark and the carriage returns of other systems' editors.
std::string normalized(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf"))
    text.remove_prefix(3);
  std::string out;
  out.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n')
      out += text[i];
  // Some states of the grammar need a line's end to be left.
  out += '\n';
  return out;
}

} // namespace

parsed_file parse_file(std::string_view raw) {
  parsed_file result;
  auto text = normalized(raw);
  if (auto zero = text.find('\0'); zero != std::string::npos) {
    result.error = "the file is not a text";
    result.line = 1;
    return result;
  }
  if (result.line = overflowing_line(text); result.line > 0) {
    result.error = "a duration is too large";
    return result;
  }
  if (result.line = uri_line(text); result.line > 0) {
    result.error = "no value begins with <; texts stand between quotation marks";
    return result;
  }
  caf::string_view view{text.data(), text.size()};
  caf::string_parser_state at{view.begin(), view.end()};
  collector found{&at, {}};
  caf::detail::parser::read_config(at, map_reader{&found, {}, {}, 0});
  if (at.code != caf::pec::success || at.i != at.e) {
    result.error = describe(at.code);
    result.line = at.line;
    return result;
  }
  for (std::size_t i = 0; i < found.entries.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (found.entries[i].name == found.entries[j].name) {
        result.error = found.entries[i].name + " is set twice";
        result.line = found.entries[i].line;
        return result;
      }
  result.entries = std::move(found.entries);
  return result;
}

} // namespace troupe::config

#include "runtime/log/render.hpp"
#include "runtime/log/text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <iterator>

namespace troupe::log {
namespace {

struct colours {
  std::string_view dim = "\x1b[2m";
  std::string_view bold = "\x1b[1m";
  std::string_view reset = "\x1b[0m";
  std::string_view level = "";
};

std::string_view colour_of(level lvl) noexcept {
  switch (lvl) {
  case level::debug:
    return "\x1b[36m";
  case level::info:
    return "\x1b[32m";
  case level::warning:
    return "\x1b[33m";
  default:
    return "\x1b[31m";
  }
}

using append_text = void (*)(std::string&, std::string_view);

/// Appends a text that must not give a token away. Callers pass ids; this is the last defence.
void append_safe(std::string& out, std::string_view text, append_text append) {
  if (holds_token(text))
    append(out, mask_tokens(text));
  else
    append(out, text);
}

void append_value(std::string& out, const field& what, append_text append) {
  auto to = std::back_inserter(out);
  if (auto* text = std::get_if<std::string_view>(&what.value))
    append_safe(out, *text, append);
  else if (auto* number = std::get_if<std::int64_t>(&what.value))
    fmt::format_to(to, "{}", *number);
  else if (auto* real = std::get_if<double>(&what.value))
    std::isfinite(*real) ? fmt::format_to(to, "{}", *real) : fmt::format_to(to, "null");
  else
    out += std::get<bool>(what.value) ? "true" : "false";
}

void append_member(std::string& out, std::string_view key, std::string_view value) {
  out += ',';
  append_safe(out, key, append_json_string);
  out += ':';
  append_safe(out, value, append_json_string);
}

void pad(std::string& out, std::size_t begin, std::size_t width) {
  auto used = out.size() - begin;
  if (used < width)
    out.append(width - used, ' ');
}

} // namespace

void append_timestamp(std::string& out, std::chrono::system_clock::time_point at) {
  using namespace std::chrono;
  auto day = floor<days>(at);
  auto date = year_month_day{day};
  auto time = hh_mm_ss{floor<milliseconds>(at - day)};
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                 static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                 static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(),
                 time.seconds().count(), time.subseconds().count());
}

void append_json(std::string& out, const record& what, std::string_view node) {
  out += "{\"ts\":\"";
  append_timestamp(out, what.at);
  out += '"';
  append_member(out, "level", name_of(what.lvl));
  append_member(out, "event", what.event);
  append_member(out, "actor", what.actor);
  for (auto& one : what.fields) {
    out += ',';
    append_safe(out, one.key, append_json_string);
    out += ':';
    append_value(out, one, append_json_string);
  }
  if (!node.empty())
    append_member(out, "node", node);
  if (!what.note.empty())
    append_member(out, "note", what.note);
  out += '}';
}

void append_human(std::string& out, const record& what, bool coloured) {
  auto paint = coloured ? colours{} : colours{"", "", "", ""};
  if (coloured)
    paint.level = colour_of(what.lvl);
  out += paint.dim;
  append_timestamp(out, what.at);
  out += paint.reset;
  out += ' ';
  out += paint.level;
  auto begin = out.size();
  out += name_of(what.lvl);
  pad(out, begin, 7);
  out += paint.reset;
  out += ' ';
  out += paint.bold;
  begin = out.size();
  append_safe(out, what.event, append_sentence);
  pad(out, begin, 20);
  out += paint.reset;
  out += ' ';
  begin = out.size();
  append_safe(out, what.actor, append_sentence);
  pad(out, begin, 20);
  for (auto& one : what.fields) {
    out += ' ';
    out += paint.dim;
    append_safe(out, one.key, append_sentence);
    out += '=';
    out += paint.reset;
    append_value(out, one, append_plain);
  }
  if (!what.note.empty()) {
    out += "  ";
    append_safe(out, what.note, append_sentence);
  }
}

} // namespace troupe::log

#include "runtime/telegram/params.hpp"
#include "runtime/telegram/json_members.hpp"
#include "runtime/telegram/multipart.hpp"
#include "runtime/telegram/same_word.hpp"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

namespace troupe::telegram {
namespace {

/// Chat ids need 52 bits (telegram-notes.md).
constexpr std::int64_t largest_chat = std::int64_t{1} << 52;
constexpr std::size_t inflate_limit = 64 * 1024;

/// FNV-1a; budgets need a key, not a secret.
std::int64_t hash_name(std::string_view name) noexcept {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (char c : name) {
    auto lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    h = (h ^ static_cast<unsigned char>(lower)) * 0x100000001b3u;
  }
  // Outside of what a numeric chat id can be.
  return static_cast<std::int64_t>(h | (std::uint64_t{1} << 62)) & 0x7fffffffffffffff;
}

bool truthy(std::string_view text) noexcept {
  return same_word(text, "true") || text == "1" || same_word(text, "yes");
}

constexpr std::string_view wanted[] = {"chat_id", "allow_paid_broadcast", "method", "timeout"};

bool is_wanted(std::string_view name) noexcept {
  return std::ranges::find(wanted, name) != std::end(wanted);
}

/// Notes a parameter, unless it came before: of several the server takes the first.
void set(call_params& out, std::string_view name, std::string_view value) {
  auto which = std::ranges::find(wanted, name) - std::begin(wanted);
  auto bit = static_cast<std::uint8_t>(1u << which);
  if (std::exchange(out.seen, out.seen | bit) & bit)
    return;
  if (which == 0)
    out.chat = parse_chat(value);
  else if (which == 1)
    out.paid_broadcast = truthy(value);
  else if (which == 2)
    out.method.assign(value.substr(0, 64));
  else
    std::from_chars(value.data(), value.data() + value.size(), out.poll_timeout);
}

/// A member's value as the server has it: a string's content, or JSON as it stands there.
std::string text_of(const json_member& one) {
  return one.value_escaped ? unescaped_json(one.value) : std::string{one.value};
}

/// Calls `f(name, member)` for each member of an object.
template <class F>
void visit_json(std::string_view text, F f) {
  json_members all{text};
  json_member one;
  std::string name;
  while (all.next(one)) {
    if (one.name_escaped)
      name = unescaped_json(one.name);
    f(one.name_escaped ? std::string_view{name} : one.name, one);
  }
}

/// Opens a gzip or zlib stream as far as `inflate_limit`.
std::string inflate_prefix(std::string_view body) {
  std::string out(inflate_limit, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 32) != Z_OK) // 32: detect gzip and zlib.
    return {};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  inflate(&stream, Z_SYNC_FLUSH);
  out.resize(out.size() - stream.avail_out);
  inflateEnd(&stream);
  return out;
}

bool is_compressed(std::string_view content_encoding) noexcept {
  return same_word(content_encoding, "gzip") || same_word(content_encoding, "deflate");
}

/// Calls `f(name, value of raw text)` for each pair; the value is still encoded.
template <class F>
void visit_form(std::string_view text, F f) {
  while (!text.empty()) {
    auto end = std::min(text.find('&'), text.size());
    auto pair = text.substr(0, end);
    auto eq = std::min(pair.find('='), pair.size());
    auto name = pair.substr(0, eq);
    std::string decoded;
    if (name.find_first_of("%+") != std::string_view::npos) {
      decoded = percent_decode(name, true);
      name = decoded;
    }
    f(name, pair.substr(std::min(eq + 1, pair.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Calls `f(name, value)` for each parameter among the parts that are complete in `text`.
template <class F>
void visit_multipart(std::string_view text, std::string_view content_type, F f) {
  visit_parts(text, content_type, [&f](std::string_view headers, std::string_view value) {
    auto part = read_part_head(headers);
    if (part.is_file)
      return;
    if (!part.is_form)
      return f(part.name, value);
    visit_form(value, [&f](std::string_view name, std::string_view encoded) {
      f(name, percent_decode(encoded, true));
    });
  });
}

} // namespace

chat_ref parse_chat(std::string_view text) noexcept {
  bool negative = text.starts_with('-');
  std::uint64_t size = 0; // Beyond 64 bits it begins anew, there as here (td, to_integer).
  for (auto i = std::size_t{negative}; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i)
    size = size * 10 + static_cast<std::uint64_t>(text[i] - '0');
  auto number = static_cast<std::int64_t>(negative ? -size : size);
  if (number != 0 && number < largest_chat && number > -largest_chat)
    return {number, number < 0};
  return text.empty() ? chat_ref{} : chat_ref{hash_name(text), true};
}

std::string percent_decode(std::string_view text, bool plus) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0
        && digit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(plus && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

void read_form(std::string_view text, call_params& out) {
  visit_form(text, [&out](std::string_view name, std::string_view value) {
    if (is_wanted(name))
      set(out, name, percent_decode(value, true));
  });
}

void read_json(std::string_view text, call_params& out) {
  visit_json(text, [&out](std::string_view name, const json_member& one) {
    bool says_nothing =
      !one.is_text && std::string_view{"[{n"}.find(one.value.front()) != std::string_view::npos;
    if (is_wanted(name))
      set(out, name, says_nothing ? std::string{} : text_of(one));
  });
}

bool is_multipart(std::string_view content_type) noexcept {
  return is_kind(content_type, multipart_kind);
}

void read_multipart(std::string_view text, std::string_view content_type, call_params& out) {
  visit_multipart(text, content_type, [&out](std::string_view name, std::string_view value) {
    if (is_wanted(name))
      set(out, name, value);
  });
}

void read_body(std::string_view body, std::string_view content_type,
               std::string_view content_encoding, call_params& out) {
  std::string opened;
  if (is_compressed(content_encoding)) {
    opened = inflate_prefix(body);
    body = opened;
  }
  if (is_kind(content_type, multipart_kind))
    read_multipart(body, content_type, out);
  else if (is_kind(content_type, form_kind))
    read_form(body, out);
  else if (is_kind(content_type, json_kind))
    read_json(body, out);
}

void each_in_form(std::string_view text, const parameter_sink& out) {
  visit_form(text, [&out](std::string_view name, std::string_view value) {
    out(name, percent_decode(value, true));
  });
}

void each_in_body(std::string_view body, std::string_view content_type,
                  std::string_view content_encoding, const parameter_sink& out) {
  std::string opened;
  if (is_compressed(content_encoding)) {
    opened = inflate_prefix(body);
    body = opened;
  }
  if (is_kind(content_type, multipart_kind))
    return visit_multipart(body, content_type, out);
  if (is_kind(content_type, form_kind))
    return each_in_form(body, out);
  if (is_kind(content_type, json_kind))
    visit_json(body, [&out](std::string_view name, const json_member& one) {
      bool is_null = !one.is_text && one.value == "null";
      out(name, is_null ? std::string{} : text_of(one));
    });
}

} // namespace troupe::telegram

#include "runtime/telegram/params.hpp"
#include "runtime/telegram/multipart.hpp"
#include "runtime/telegram/same_word.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <zlib.h>

#include <algorithm>
#include <charconv>

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

void set(call_params& out, std::string_view name, std::string_view value) {
  if (name == "chat_id") {
    out.chat = parse_chat(value);
  } else if (name == "allow_paid_broadcast") {
    out.paid_broadcast = truthy(value);
  } else if (name == "method") {
    out.method.assign(value.substr(0, 64));
  } else if (name == "timeout") {
    std::from_chars(value.data(), value.data() + value.size(), out.poll_timeout);
  }
}

bool wanted(std::string_view name) noexcept {
  return name == "chat_id" || name == "allow_paid_broadcast" || name == "method"
         || name == "timeout";
}

/// SAX handler: keeps the scalars of the top level that are wanted.
struct json_handler {
  constexpr static std::size_t max_object_size = std::size_t(-1);
  constexpr static std::size_t max_array_size = std::size_t(-1);
  constexpr static std::size_t max_key_size = std::size_t(-1);
  constexpr static std::size_t max_string_size = std::size_t(-1);
  using sv = boost::json::string_view;
  using ec = boost::json::error_code;

  call_params& out;
  int depth = 0;
  std::string key;
  std::string value;

  bool at_top() const noexcept { return depth == 1 && wanted(key); }
  bool scalar(std::string_view text) {
    if (at_top())
      set(out, key, text);
    return true;
  }

  bool on_document_begin(ec&) { return true; }
  bool on_document_end(ec&) { return true; }
  bool on_object_begin(ec&) { return ++depth > 0; }
  bool on_object_end(std::size_t, ec&) { return --depth >= 0; }
  bool on_array_begin(ec&) { return ++depth > 0; }
  bool on_array_end(std::size_t, ec&) { return --depth >= 0; }
  bool on_key_part(sv part, std::size_t, ec&) {
    if (depth == 1 && !part_open)
      key.clear();
    part_open = true;
    if (depth == 1 && key.size() < 64)
      key.append(part.data(), part.size());
    return true;
  }
  bool on_key(sv part, std::size_t n, ec& e) {
    on_key_part(part, n, e);
    part_open = false;
    return true;
  }
  bool on_string_part(sv part, std::size_t, ec&) {
    if (at_top() && value.size() < 256)
      value.append(part.data(), part.size());
    return true;
  }
  bool on_string(sv part, std::size_t n, ec& e) {
    on_string_part(part, n, e);
    scalar(value);
    value.clear();
    return true;
  }
  bool on_number_part(sv, ec&) { return true; }
  bool on_int64(std::int64_t, sv text, ec&) { return number(text); }
  bool on_uint64(std::uint64_t, sv text, ec&) { return number(text); }
  bool on_double(double, sv text, ec&) { return number(text); }
  bool number(sv text) { return scalar({text.data(), text.size()}); }
  bool on_bool(bool b, ec&) { return scalar(b ? "true" : "false"); }
  bool on_null(ec&) { return true; }
  bool on_comment_part(sv, ec&) { return true; }
  bool on_comment(sv, ec&) { return true; }

  bool part_open = false;
};

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

/// Calls `f(name, value)` for each part that is complete in `text`.
template <class F>
void visit_multipart(std::string_view text, std::string_view content_type, F f) {
  visit_parts(text, content_type, [&f](std::string_view headers, std::string_view value) {
    f(part_field(headers, "name="), value);
  });
}

} // namespace

chat_ref parse_chat(std::string_view text) noexcept {
  std::int64_t number = 0;
  auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = err == std::errc{} && end == text.data() + text.size();
  if (whole && number != 0 && number < largest_chat && number > -largest_chat)
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
    if (wanted(name))
      set(out, name, percent_decode(value, true));
  });
}

void read_json(std::string_view text, call_params& out) {
  boost::json::basic_parser<json_handler> parser{boost::json::parse_options{},
                                                 json_handler{out, 0, {}, {}}};
  boost::json::error_code ec;
  parser.write_some(false, text.data(), text.size(), ec);
}

void read_multipart(std::string_view text, std::string_view content_type, call_params& out) {
  visit_multipart(text, content_type, [&out](std::string_view name, std::string_view value) {
    if (wanted(name))
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
  auto kind = kind_of(content_type);
  if (same_word(kind, "application/json"))
    read_json(body, out);
  else if (same_word(kind, "application/x-www-form-urlencoded"))
    read_form(body, out);
  else if (same_word(kind, "multipart/form-data"))
    read_multipart(body, content_type, out);
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
  auto kind = kind_of(content_type);
  if (same_word(kind, "application/x-www-form-urlencoded"))
    return each_in_form(body, out);
  if (same_word(kind, "multipart/form-data"))
    return visit_multipart(body, content_type, out);
  if (!same_word(kind, "application/json"))
    return;
  boost::json::error_code ec;
  auto document = boost::json::parse(boost::json::string_view{body.data(), body.size()}, ec);
  if (ec || !document.is_object())
    return;
  for (const auto& [key, value] : document.get_object()) {
    auto text = value.is_string()
                  ? std::string{value.get_string().data(), value.get_string().size()}
                : value.is_null() ? std::string{}
                                  : boost::json::serialize(value);
    out({key.data(), key.size()}, text);
  }
}

} // namespace troupe::telegram

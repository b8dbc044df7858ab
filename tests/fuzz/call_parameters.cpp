// The parameters of one call, written in every encoding: all must say the same, and the same as a
// reader that was written for something else.
#include "runtime/telegram/params.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/sandbox/multipart.hpp"

#include <boost/json.hpp>

#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <vector>

using namespace troupe;
using telegram::call_params;

namespace {

constexpr std::string_view form_type = "application/x-www-form-urlencoded";
constexpr std::string_view multipart_type = "multipart/form-data; boundary=\"limit-7\"";

using pair = std::pair<std::string, std::string>;
using named_values = std::map<std::string, std::string>;

bool same(const call_params& x, const call_params& y) {
  return x.chat.key == y.chat.key && x.chat.group == y.chat.group
         && x.paid_broadcast == y.paid_broadcast && x.method == y.method
         && x.poll_timeout == y.poll_timeout;
}

std::string percent(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    auto x = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')
      out += c;
    else if (c == ' ')
      out += '+';
    else
      out.append(1, '%').append(1, digits[x >> 4]).append(1, digits[x & 15]);
  }
  return out;
}

/// Lines of "name=value"; each name once, what no multipart body could hold left out.
std::vector<pair> pairs_in(std::string_view text) {
  std::vector<pair> result;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto eq = line.find('=');
    if (eq == std::string_view::npos || eq == 0 || eq > 60 || line.size() - eq > 200)
      continue;
    std::string name{line.substr(0, eq)};
    bool plain = std::all_of(name.begin(), name.end(),
                             [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
    bool known = std::any_of(result.begin(), result.end(),
                             [&name](const pair& x) { return x.first == name; });
    auto value = line.substr(eq + 1);
    if (plain && !known && value.find("--limit-7") == std::string_view::npos)
      result.emplace_back(std::move(name), value);
  }
  return result;
}

std::string as_form(const std::vector<pair>& all) {
  std::string out;
  for (const auto& [name, value] : all)
    out += (out.empty() ? "" : "&") + percent(name) + '=' + percent(value);
  return out;
}

std::string as_multipart(const std::vector<pair>& all) {
  std::string out;
  for (const auto& [name, value] : all)
    out += "--limit-7\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value
           + "\r\n";
  return out + "--limit-7--\r\n";
}

/// Whole numbers without quotes, like most clients write them.
std::string as_json(const std::vector<pair>& all) {
  boost::json::object out;
  for (const auto& [name, value] : all) {
    boost::system::error_code ec;
    auto parsed = boost::json::parse(value, ec);
    bool number = !ec && (parsed.is_int64() || parsed.is_bool());
    out[name] = number && boost::json::serialize(parsed) == value ? parsed
                                                                  : boost::json::value(value);
  }
  return boost::json::serialize(out);
}

std::string zipped(std::string_view text, int window) {
  z_stream stream{};
  HOLDS(deflateInit2(&stream, 1, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  HOLDS(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

call_params read(std::string_view body, std::string_view type, std::string_view coding = {}) {
  call_params out;
  telegram::read_body(body, type, coding, out);
  return out;
}

named_values each(std::string_view body, std::string_view type) {
  named_values out;
  telegram::each_in_body(body, type, {}, [&out](std::string_view name, std::string_view value) {
    out.insert_or_assign(std::string{name}, std::string{value});
  });
  return out;
}

void one_call_in_all_encodings(std::string_view text) {
  auto all = pairs_in(text);
  auto form = as_form(all);
  auto multipart = as_multipart(all);
  auto from_form = read(form, form_type);
  for (const auto& [name, value] : all) {
    if (name == "chat_id")
      HOLDS(from_form.chat.key == telegram::parse_chat(value).key);
    if (name == "method")
      HOLDS(from_form.method == value.substr(0, 64));
    HOLDS(telegram::percent_decode(percent(value), true) == value);
  }
  call_params from_query;
  telegram::read_form(form, from_query);
  HOLDS(same(from_form, from_query));
  HOLDS(same(from_form, read(multipart, multipart_type)));
  HOLDS(same(from_form, read(zipped(form, 15 + 16), form_type, "gzip")));
  HOLDS(same(from_form, read(zipped(multipart, 15), multipart_type, "deflate")));
  named_values written(all.begin(), all.end());
  HOLDS(each(form, form_type) == written);
  HOLDS(each(multipart, multipart_type) == written);
  named_values elsewhere;
  HOLDS(sandbox::read_parts(multipart, "limit-7", [&elsewhere](const sandbox::part& x) {
    elsewhere.insert_or_assign(std::string{x.name}, std::string{x.content});
  }));
  HOLDS(elsewhere == written);
  auto json = as_json(all);
  boost::system::error_code ec;
  auto again = boost::json::parse(json, ec);
  if (ec) // Bytes that are no UTF-8.
    return;
  HOLDS(same(from_form, read(json, "application/json")));
  HOLDS(each(json, "application/json; charset=utf-8") == written);
}

/// Any bytes as a body of any type: nothing but a chat is understood of them.
void any_body(std::string_view type, std::string_view coding, std::string_view body) {
  auto got = read(body, type, coding);
  HOLDS(got.chat.key == 0 ? !got.chat.group : true);
  HOLDS(got.method.size() <= 64);
  named_values all;
  telegram::each_in_body(body, type, coding, [&all](std::string_view name, std::string_view value) {
    all.emplace(name, value); // The first counts.
  });
  std::string kind{type};
  std::ranges::transform(kind, kind.begin(), [](unsigned char c) { return std::tolower(c); });
  if (auto chat = all.find("chat_id"); chat != all.end() && chat->second.size() < 200
      && kind.find("json") == std::string::npos)
    HOLDS(got.chat.key == telegram::parse_chat(chat->second).key);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::parts input{data, size};
  auto pairs = input.next();
  auto type = input.next();
  auto coding = input.next();
  one_call_in_all_encodings(pairs);
  any_body(type, coding, input.rest());
  return 0;
}

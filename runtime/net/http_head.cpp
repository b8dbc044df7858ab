#include "runtime/net/http_head.hpp"

#include "runtime/telegram/errors.hpp"
#include "runtime/telegram/params.hpp"
#include "runtime/telegram/same_word.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace troupe::net {
namespace {

/// Bytes of a retry or idempotency value that are looked at.
constexpr std::size_t value_limit = 256;

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// A target without the scheme and the host that a client may name (RFC 9112, 3.2.2).
std::string_view without_origin(std::string_view target) noexcept {
  for (std::string_view scheme : {"http://", "https://"})
    if (telegram::same_word(target.substr(0, scheme.size()), scheme)) {
      auto path = target.find_first_of("/?#", scheme.size());
      return path == std::string_view::npos ? "/" : target.substr(path);
    }
  return target;
}

/// Whether Connection may name a field away. What delimits, describes or routes the message belongs
/// to the whole way: without its length the upstream would take a body for the next request.
bool may_be_dropped(std::string_view name) noexcept {
  constexpr std::string_view kept[] = {
    "keep-alive",   "close",           "host", "content-length", "transfer-encoding",
    "content-type", "content-encoding"};
  return std::none_of(std::begin(kept), std::end(kept),
                      [name](std::string_view x) { return telegram::same_word(x, name); });
}

/// Takes the lines of the fields named in `names` out of a head.
void drop_fields(std::string& head, const std::vector<std::string>& names) {
  std::string kept;
  std::size_t at = 0;
  while (at < head.size()) {
    auto end = head.find("\r\n", at);
    auto next = end == std::string::npos ? head.size() : end + 2;
    auto line = std::string_view{head}.substr(at, next - at);
    auto name = line.substr(0, std::min(line.find(':'), line.size()));
    auto dropped = at != 0 && std::any_of(names.begin(), names.end(), [name](const auto& x) {
                     return telegram::same_word(x, name);
                   });
    if (!dropped)
      kept.append(line);
    at = next;
  }
  head.swap(kept);
}

} // namespace

bool is_hop_by_hop(http::field name, std::string_view text) noexcept {
  switch (name) {
  case http::field::connection:
  case http::field::keep_alive:
  case http::field::proxy_connection:
  case http::field::proxy_authorization:
  case http::field::proxy_authenticate:
  case http::field::te:
  case http::field::upgrade:
    return true;
  default:
    return text.size() > 9 && telegram::same_word(text.substr(0, 9), "X-Troupe-");
  }
}

request_head::request_head(std::string_view upstream_host, std::string_view prefix,
                           std::uint32_t limit)
  : host_(upstream_host), prefix_(prefix) {
  header_limit(limit);
  body_limit(boost::none);
}

void request_head::swap_texts(head_texts& other) noexcept {
  std::swap(static_cast<head_texts&>(*this), other);
  target.clear();
  content_type.clear();
  forward.clear();
}

bool request_head::replace_token(std::string_view token, std::string_view by) {
  auto line = std::string_view{forward}.substr(0, forward.find("\r\n"));
  auto begin = method.size() + 1 + prefix_.size();
  auto path = line.substr(begin, line.find('?') - begin);
  auto colon = token.find(':');
  for (std::string_view how : {":", "%3A", "%3a"}) {
    auto text = std::string{token.substr(0, colon)}.append(how).append(token.substr(colon + 1));
    auto at = path.find(text);
    if (at == std::string_view::npos)
      continue;
    // Only where it names the bot: a client may write it once more further on.
    auto before = telegram::percent_decode(path.substr(0, at), false);
    if (before == "/bot" || before == "/file/bot") {
      forward.replace(begin + at, text.size(), by);
      return true;
    }
  }
  return false;
}

void request_head::name_method(std::string_view name) {
  auto begin = method.size() + 1;
  auto end = std::min(forward.find_first_of("?# \r", begin), forward.size());
  for (bool more = true; more;) {
    auto path = std::string_view{forward}.substr(0, end);
    auto slash = path.ends_with('/')                              ? 1u
                 : path.ends_with("%2F") || path.ends_with("%2f") ? 3u
                                                                  : 0u;
    forward.erase(end -= slash, slash);
    more = slash > 0;
  }
  forward.insert(end, "/").insert(end + 1, name);
}

void request_head::on_request_impl(http::verb, string_view method_text, string_view target_text,
                                   int version_number, error_code&) {
  version = version_number;
  method.assign(method_text.data(), method_text.size());
  target.assign(without_origin({target_text.data(), target_text.size()}));
  forward.reserve(256 + target.size());
  forward.append(method).append(1, ' ').append(prefix_).append(target);
  forward.append(" HTTP/1.1\r\nHost: ").append(host_).append("\r\n");
}

void request_head::on_field_impl(http::field name, string_view text_in, string_view value_in,
                                 error_code& ec) {
  if (is_header_done()) // A trailer: the head went on without it (RFC 9110, 6.5.1).
    return;
  std::string_view text{text_in.data(), text_in.size()};
  std::string_view value{value_in.data(), value_in.size()};
  switch (name) {
  case http::field::host:
  case http::field::trailer: // None is sent on.
    return;
  case http::field::expect:
    expects_continue = expects_continue || telegram::same_word(value, "100-continue");
    return;
  case http::field::transfer_encoding: // Beast takes an unknown coding for no body at all.
    if (!telegram::same_word(trim(value), "chunked"))
      ec = http::error::bad_transfer_encoding;
    break;
  case http::field::content_type:
    content_type.assign(value);
    break;
  case http::field::content_encoding:
    content_encoding.assign(value);
    break;
  case http::field::connection:
    for (std::size_t at = 0; at <= value.size();) {
      auto comma = std::min(value.find(',', at), value.size());
      auto token = trim(value.substr(at, comma - at));
      if (!token.empty() && may_be_dropped(token))
        dropped_.emplace_back(token);
      at = comma + 1;
    }
    return;
  case http::field::unknown:
    note_troupe_field(text, value);
    break;
  default:
    break;
  }
  if (is_hop_by_hop(name, text) || telegram::same_word(text, "Idempotency-Key"))
    return;
  append_field(forward, text, value);
}

void request_head::note_troupe_field(std::string_view text, std::string_view value) {
  if (telegram::same_word(text, "Idempotency-Key"))
    bad_idempotency_key = value.empty() || value.size() > value_limit;
  if (value.size() > value_limit)
    return;
  if (telegram::same_word(text, "X-Troupe-Deadline")) {
    deadline = parse_duration(value);
    bad_deadline = !deadline;
  } else if (telegram::same_word(text, "X-Troupe-Retry")) {
    retry_asked = telegram::same_word(value, "always");
  } else if (telegram::same_word(text, "Idempotency-Key")) {
    idempotency_key.assign(value);
  } else if (telegram::same_word(text, "X-Troupe-Crash")) {
    crash.assign(value);
  }
}

void request_head::on_header_impl(error_code&) {
  if (!dropped_.empty())
    drop_fields(forward, dropped_);
  forward.append("\r\n");
}

std::size_t request_head::on_body_impl(string_view part, error_code&) {
  if (body.size() < keep_body)
    body.append(part.data(), std::min(part.size(), keep_body - body.size()));
  return part.size();
}

void request_head::on_chunk_header_impl(std::uint64_t size, string_view, error_code& ec) {
  if (size >= endless_body) {
    ec = http::error::body_limit;
    return;
  }
  char digits[16];
  auto end = std::to_chars(digits, digits + sizeof digits, size, 16).ptr;
  chunks.append(digits, end).append(size == 0 ? "\r\n\r\n" : "\r\n");
}

std::size_t request_head::on_chunk_body_impl(std::uint64_t left, string_view part, error_code& ec) {
  chunks.append(part.data(), part.size()).append(part.size() == left ? "\r\n" : "");
  return on_body_impl(part, ec);
}

response_head::response_head(std::uint32_t limit) {
  header_limit(limit);
  body_limit(boost::none);
}

void response_head::on_response_impl(int code, string_view reason, int, error_code&) {
  status = static_cast<unsigned>(code);
  forward.reserve(512);
  forward.append("HTTP/1.1 ").append(std::to_string(code)).append(1, ' ');
  forward.append(reason.data(), reason.size()).append("\r\n");
}

void response_head::on_field_impl(http::field name, string_view text_in, string_view value_in,
                                  error_code&) {
  if (is_header_done())
    return;
  std::string_view text{text_in.data(), text_in.size()};
  std::string_view value{value_in.data(), value_in.size()};
  if (name == http::field::retry_after)
    retry_after = telegram::retry_after_of_header(value);
  if (is_hop_by_hop(name, text) || (decode && name == http::field::transfer_encoding))
    return;
  append_field(forward, text, value);
}

std::size_t response_head::on_body_impl(string_view part, error_code&) {
  if (decode)
    decoded.append(part.data(), part.size());
  return part.size();
}

std::size_t response_head::on_chunk_body_impl(std::uint64_t, string_view part, error_code& ec) {
  return on_body_impl(part, ec);
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  text = trim(text);
  double number = 0;
  auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (err != std::errc{} || !(number >= 0) || number > 86400)
    return std::nullopt;
  auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
  auto factor = unit == "ms" ? 1.0 : unit == "s" || unit.empty() ? 1e3 : unit == "m" ? 6e4 : -1.0;
  if (factor < 0)
    return std::nullopt;
  return std::chrono::milliseconds{static_cast<std::int64_t>(number * factor)};
}

} // namespace troupe::net

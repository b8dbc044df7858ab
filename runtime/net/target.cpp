#include "runtime/net/target.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace troupe::net {
namespace {

bool plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool valid_port(std::string_view text) {
  std::uint32_t port = 0;
  auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), port);
  return err == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535
         && text.size() <= 5;
}

bool valid_host(std::string_view host, bool bracketed) {
  if (host.empty() || host.size() > 253)
    return false;
  return std::all_of(host.begin(), host.end(), [bracketed](char c) {
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return word || c == '.' || (bracketed ? c == ':' : c == '-' || c == '_');
  });
}

// "host", "host:port" or "[v6]:port" into host and port; false if neither.
bool split_authority(std::string_view authority, target& out) {
  bool bracketed = authority.starts_with('[');
  auto end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && end == std::string_view::npos)
    return false;
  auto host = bracketed ? authority.substr(1, end - 1) : authority.substr(0, end);
  auto rest = end == std::string_view::npos ? std::string_view{}
                                            : authority.substr(bracketed ? end + 1 : end);
  if (!valid_host(host, bracketed))
    return false;
  out.host = host;
  std::transform(out.host.begin(), out.host.end(), out.host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  out.host_header = bracketed ? "[" + out.host + "]" : out.host;
  std::string_view usual = out.tls ? "443" : "80";
  out.port = usual;
  if (rest.empty())
    return true;
  if (rest.front() != ':' || !valid_port(rest.substr(1)))
    return false;
  // Leading zeros would make two spellings of one port.
  out.port = rest.substr(std::min(rest.find_first_not_of('0', 1), rest.size() - 1));
  if (out.port != usual)
    out.host_header += ":" + out.port;
  return true;
}

} // namespace

std::variant<target, std::string> parse_target(std::string_view url) {
  target result;
  std::string_view rest;
  if (url.starts_with("https://"))
    rest = url.substr(8);
  else if (url.starts_with("http://"))
    rest = url.substr(7), result.tls = false;
  else
    return "must start with https:// or http://";
  if (!plain_text(rest))
    return "must not contain blanks, control or non-ASCII characters";
  if (rest.find_first_of("?#@\\") != std::string_view::npos)
    return "must not contain a user, a query or a fragment";
  auto slash = std::min(rest.find('/'), rest.size());
  if (!split_authority(rest.substr(0, slash), result))
    return "must name a host and at most a port from 1 to 65535, like api.telegram.org or "
           "127.0.0.1:8090";
  auto prefix = rest.substr(slash);
  if (prefix == "/")
    prefix = {};
  if (prefix.ends_with('/'))
    return "must not end with a slash after its path";
  result.prefix = prefix;
  return result;
}

} // namespace troupe::net

#include "runtime/relay/url.hpp"

#include <algorithm>

namespace troupe::relay {
std::variant<url, std::string> parse_url(std::string_view text) {
  text = text.substr(0, text.find('#'));
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; }))
    return "must not contain blanks, control or non-ASCII characters";
  auto scheme = text.find("://");
  if (scheme == std::string_view::npos)
    return "must start with https:// or http://";
  auto rest = text.substr(scheme + 3);
  auto authority = rest.substr(0, std::min(rest.find_first_of("/?"), rest.size()));
  url result;
  result.path = rest.substr(authority.size());
  if (!result.path.starts_with('/'))
    result.path.insert(0, 1, '/');
  if (authority.find('@') != std::string_view::npos)
    return "must not have a user or a password in it";
  auto where = net::parse_target(std::string{text.substr(0, scheme + 3)}.append(authority));
  if (auto* wrong = std::get_if<std::string>(&where))
    return std::move(*wrong);
  result.where = std::get<net::target>(std::move(where));
  return result;
}

} // namespace troupe::relay

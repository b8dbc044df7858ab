#include "runtime/relay/url.hpp"

#include "runtime/crypto/bytes.hpp"

#include <algorithm>
#include <optional>

namespace troupe::relay {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    auto high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0)
      return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

} // namespace

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
  if (auto at = authority.rfind('@'); at != std::string_view::npos) {
    auto user = authority.substr(0, at);
    auto colon = std::min(user.find(':'), user.size());
    auto name = decoded(user.substr(0, colon));
    auto password = decoded(user.substr(std::min(colon + 1, user.size())));
    if (!name || !password || name->find(':') != std::string::npos)
      return "must not have a malformed user name or password";
    result.authorization = "Basic " + crypto::to_base64(crypto::as_bytes(*name + ':' + *password));
    authority.remove_prefix(at + 1);
  }
  auto where = net::parse_target(std::string{text.substr(0, scheme + 3)}.append(authority));
  if (auto* wrong = std::get_if<std::string>(&where))
    return std::move(*wrong);
  result.where = std::get<net::target>(std::move(where));
  return result;
}

} // namespace troupe::relay

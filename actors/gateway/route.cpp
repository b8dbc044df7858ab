#include "actors/gateway/route.hpp"

#include "runtime/telegram/params.hpp"

#include <algorithm>

namespace troupe::gateway {
namespace {

/// Takes `prefix` off the front. @returns whether it was there
bool take(std::string_view& text, std::string_view prefix) noexcept {
  if (!text.starts_with(prefix))
    return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string_view until_slash(std::string_view& text) noexcept {
  auto end = std::min(text.find('/'), text.size());
  auto part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

} // namespace

route parse_route(std::string_view target) {
  route result;
  auto path = target.substr(0, std::min(target.find_first_of("?#"), target.size()));
  if (path.size() < target.size() && target[path.size()] == '?') // To its end, whatever is in it.
    result.query = target.substr(path.size() + 1);
  std::string decoded;
  if (path.find('%') != std::string_view::npos) {
    decoded = telegram::percent_decode(path, false);
    path = decoded;
  }
  auto kind = take(path, "/file") ? route_kind::file : route_kind::method;
  if (!take(path, "/bot"))
    return result;
  auto token = until_slash(path);
  result.token = token;
  result.kind = kind;
  if (kind == route_kind::file)
    return result;
  result.test = take(path, "test/");
  result.method = path;
  while (result.method.ends_with('/'))
    result.method.pop_back();
  return result;
}

} // namespace troupe::gateway

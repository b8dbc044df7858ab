#include "runtime/webhook/path.hpp"

#include <charconv>

namespace troupe::webhook {
namespace {

constexpr std::string_view folder = "/webhook/";

std::string_view without_last_slash(std::string_view x) noexcept {
  while (x.ends_with('/'))
    x.remove_suffix(1);
  return x;
}

} // namespace

std::string path_of(std::string_view public_url) {
  auto host = public_url.find("://");
  auto path = public_url.find('/', host == std::string_view::npos ? 0 : host + 3);
  if (path == std::string_view::npos)
    return {};
  return std::string{without_last_slash(public_url.substr(path))};
}

std::string url_of(std::string_view public_url, bot_id bot) {
  return std::string{without_last_slash(public_url)} + std::string{folder} + std::to_string(bot);
}

std::optional<bot_id> bot_in(std::string_view path, std::string_view prefix) noexcept {
  if (!prefix.empty() && path.starts_with(prefix) && path.substr(prefix.size()).starts_with(folder))
    path.remove_prefix(prefix.size());
  if (!path.starts_with(folder))
    return std::nullopt;
  path.remove_prefix(folder.size());
  bot_id bot = 0;
  auto [end, ec] = std::from_chars(path.data(), path.data() + path.size(), bot);
  if (ec != std::errc{} || end != path.data() + path.size() || bot <= 0 || path.front() == '0')
    return std::nullopt;
  return bot;
}

} // namespace troupe::webhook

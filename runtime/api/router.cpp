#include "runtime/api/router.hpp"

#include "runtime/log/mask.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::api {
namespace {

bool is_argument_char(char c) {
  return log::detail::is_token_char(c);
}

} // namespace

std::string_view path_arguments::text(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < size_; ++i)
    if (all_[i].name == name)
      return all_[i].value;
  return {};
}

std::int64_t path_arguments::number(std::string_view name) const noexcept {
  auto value = text(name);
  std::int64_t x = 0;
  auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), x);
  auto whole = failed == std::errc{} && end == value.data() + value.size();
  return whole && x > 0 && value.front() != '0' ? x : 0;
}

bool path_arguments::add(std::string_view name, std::string_view value) noexcept {
  if (size_ == all_.size())
    return false;
  all_[size_++] = {name, value};
  return true;
}

bool matches(std::string_view pattern, std::string_view path, path_arguments& arguments) noexcept {
  while (!pattern.empty()) {
    if (pattern.front() != '{') {
      if (path.empty() || path.front() != pattern.front())
        return false;
      pattern.remove_prefix(1);
      path.remove_prefix(1);
      continue;
    }
    auto close = pattern.find('}');
    auto stop = std::find_if_not(path.begin(), path.end(), is_argument_char);
    auto length = static_cast<std::size_t>(stop - path.begin());
    if (length == 0 || !arguments.add(pattern.substr(1, close - 1), path.substr(0, length)))
      return false;
    pattern.remove_prefix(close + 1);
    path.remove_prefix(length);
  }
  return path.empty();
}

found_route find_route(std::string_view method, std::string_view path) {
  found_route found;
  if (method == "HEAD")
    method = "GET";
  for (auto& one : routes()) {
    path_arguments arguments;
    if (!matches(one.path, path, arguments))
      continue;
    if (one.method == method) {
      found.where = &one;
      found.arguments = arguments;
      found.allowed.clear();
      return found;
    }
    if (!found.allowed.empty())
      found.allowed += ", ";
    found.allowed += one.method == "GET" ? "GET, HEAD" : one.method;
  }
  return found;
}

} // namespace troupe::api

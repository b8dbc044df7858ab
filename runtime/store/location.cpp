#include "runtime/store/location.hpp"

#include "runtime/store/error.hpp"

#include <string_view>

namespace troupe::store {

location locate(const std::string& uri, const std::string& data_dir) {
  constexpr std::string_view sqlite = "sqlite:";
  if (uri.empty())
    return {backend::sqlite, (data_dir.empty() ? "." : data_dir) + "/troupe.db"};
  if (uri.starts_with(sqlite) && uri.size() > sqlite.size())
    return {backend::sqlite, uri.substr(sqlite.size())};
  if (uri.starts_with("postgresql://") || uri.starts_with("postgres://"))
    return {backend::postgresql, uri};
  throw store_error(
    fault::other,
    "store.uri is not allowed; allowed are \"sqlite:PATH\", \"postgresql://…\", \"\"");
}

std::string shown(const location& where) {
  if (where.kind == backend::sqlite)
    return "sqlite:" + where.name;
  auto text = where.name;
  auto user = text.find("://") + 3;
  // Up to the last @: a careless password may hold an @ itself.
  if (auto at = text.rfind('@'); at != std::string::npos && at > user)
    text.replace(user, at - user, "***");
  if (auto query = text.find('?'); query != std::string::npos)
    text.resize(query);
  return text;
}

} // namespace troupe::store

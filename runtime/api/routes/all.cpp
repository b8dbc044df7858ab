#include "runtime/api/routes/tables.hpp"

#include <vector>

namespace troupe::api {
namespace {

std::vector<route> joined_routes() {
  std::vector<route> all;
  for (auto part :
       {page_routes(), node_routes(), cluster_routes(), bot_routes(), life_routes(), insight_routes(),
        update_routes(), event_routes(), method_routes(), tenant_routes(), key_routes(),
        audit_routes()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

} // namespace

std::span<const route> routes() {
  static const auto all = joined_routes();
  return all;
}

} // namespace troupe::api

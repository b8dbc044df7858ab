#pragma once
#include <string>

namespace troupe::api {

/// The OpenAPI 3.1 document of all routes, made from the table of routes.
[[nodiscard]] const std::string& openapi_document();

} // namespace troupe::api

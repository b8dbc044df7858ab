#pragma once
#include <string>

namespace troupe::api {

/// The page at `/`: one HTML document without outside resources that polls the routes beside it.
[[nodiscard]] std::string dashboard_page();

/// Its script, which ends the page.
[[nodiscard]] std::string dashboard_script();

} // namespace troupe::api

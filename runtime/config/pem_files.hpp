#pragma once
#include "runtime/config/settings.hpp"

#include <string>
#include <vector>

namespace troupe::config {

/// What is wrong with the PEM files that settings name: each must be readable and hold what its
/// setting is for, and a key must be that of its certificate. Who starts a node with another one is
/// told so, not left with a listener that crashes.
[[nodiscard]] std::vector<std::string> check_pem_files(const settings& all);

} // namespace troupe::config

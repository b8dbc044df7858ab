#include "runtime/api/ctl.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

/// The operator's tool: see `troupectl --help`.
int main(int argc, char** argv) {
  std::vector<std::string_view> args{argv + (argc > 0 ? 1 : 0), argv + argc};
  auto* url = std::getenv("TROUPE_URL");
  auto* no_colour = std::getenv("NO_COLOR");
  auto colour = ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0');
  return troupe::api::run_ctl(args, url == nullptr ? "" : url, colour, std::cout, std::cerr);
}

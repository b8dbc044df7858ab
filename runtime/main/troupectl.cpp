#include "runtime/api/ctl.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

/// The operator's tool: see `troupectl --help`.
int main(int argc, char** argv) {
  std::vector<std::string_view> args{argv + (argc > 0 ? 1 : 0), argv + argc};
  auto variable = [](std::string_view name) -> std::string {
    auto* value = std::getenv(std::string{name}.c_str());
    return value == nullptr ? "" : value;
  };
  auto colour = ::isatty(STDOUT_FILENO) == 1 && variable("NO_COLOR").empty();
  auto watched = ::isatty(STDERR_FILENO) == 1;
  return troupe::api::run_ctl(args, {std::cin, std::cout, std::cerr, colour, variable, watched});
}

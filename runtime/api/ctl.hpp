#pragma once
#include <functional>
#include <istream>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

/// What troupectl does: asks a node's control API and shows the answer, or works on files.
namespace troupe::api {

/// What a command has besides its words.
struct ctl_world {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool colour = false; ///< `out` is a terminal that shows colours.
  /// Environment variables; empty for those that are not set.
  std::function<std::string(std::string_view)> variable;
  bool watched = false; ///< `err` is a terminal: how far long work is can be shown there.
};

/// Runs one command. @param args without the program's name
/// @returns the exit status: 0 done, 1 failed, 2 wrong usage
int run_ctl(std::span<const std::string_view> args, const ctl_world& world);

} // namespace troupe::api

#pragma once
#include <ostream>
#include <span>
#include <string_view>

/// What troupectl does: asks a node's control API and shows the answer, or checks files.
namespace troupe::api {

/// Runs one command.
/// @param args without the program's name
/// @param url the node to ask unless `--url` says otherwise; empty: http://127.0.0.1:8080
/// @param colour whether `out` is a terminal that shows colours
/// @returns the exit status: 0 done, 1 failed, 2 wrong usage
int run_ctl(std::span<const std::string_view> args, std::string_view url, bool colour,
            std::ostream& out, std::ostream& err);

} // namespace troupe::api

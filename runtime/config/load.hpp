#pragma once
#include "runtime/config/schema.hpp"

#include <functional>
#include <string>
#include <variant>
#include <vector>

/// Settings from a configuration directory, the environment and the command line, in this order.
namespace troupe::config {

/// Looks an environment variable up; null if it is not set.
using environment = std::function<const char*(const char*)>;

/// The process's own.
[[nodiscard]] environment process_environment();

/// The program is done: print `text` on standard output and exit with 0.
struct exit_request {
  std::string text;
};

/// Print `message` (one problem a line: where, key, value, what is allowed) on standard error and
/// exit with 2. Holds no secret.
struct error {
  std::string message;
};

using load_result = std::variant<settings, exit_request, error>;

/// Understands `--config-dir=DIR`, `--FILE.KEY=VALUE`, `--help[=FILE]`, `--version`,
/// `--dump-config`,
/// `--check-config`. Reads the files, the token files and the environment (TROUPE_MASTER_KEY,
/// TROUPE_BOT_TOKENS, TROUPE_STORE_URI); checks everything and reports all problems at once.
[[nodiscard]] load_result load(int argc, const char* const* argv, const environment& env);

/// Checks a configuration directory as `load` would. @returns an empty message if it is correct.
[[nodiscard]] error check_directory(const std::string& dir, const environment& env);

/// What reading everything again found.
struct changes {
  settings now;                     ///< The running settings with all changed live ones.
  std::vector<std::string> live;    ///< Names of these.
  std::vector<std::string> restart; ///< Changed, but taken over only by a restart.
};

/// Reads everything again, as `load` did with the same arguments. On an error nothing changes.
[[nodiscard]] std::variant<changes, error> reload(int argc, const char* const* argv,
                                                  const environment& env, const settings& running);

/// Problems between settings that are each allowed: one sentence for each, naming both keys and
/// values.
[[nodiscard]] std::vector<std::string> validate(const settings& all);

} // namespace troupe::config

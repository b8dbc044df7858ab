#include "runtime/config/load.hpp"
#include "runtime/config/file.hpp"
#include "runtime/config/pem_files.hpp"
#include "runtime/config/render.hpp"
#include "runtime/config/tokens.hpp"
#include "runtime/config/value.hpp"
#include "runtime/log/mask.hpp"
#include "runtime/rules/library.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>

namespace troupe::config {
namespace {

namespace fs = std::filesystem;

struct arguments {
  std::string program = "trouped";
  std::optional<std::string> dir;
  std::vector<std::pair<const option*, std::string>> values;
  std::optional<std::string> help; ///< Of one file, or "" for all.
  bool version = false;
  bool dump = false;
  bool check = false;
};

/// Everything that is wrong, one a line.
class problem_list {
public:
  void add(std::string text) { text_ += log::mask_tokens(text) + '\n'; }
  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
  std::string text_;
};

std::string not_allowed(std::string_view where, const option& what, std::string_view value) {
  return std::string{where} + ": " + qualified_name(what) + " = " + std::string{value}
         + " is not allowed; allowed is " + allowed(what);
}

std::string unknown(std::string_view name) {
  auto text = "unknown setting " + std::string{name.substr(0, 100)};
  if (auto close = closest_key(name); !close.empty())
    text += "; did you mean " + close + "?";
  return text;
}

bool is_file_name(std::string_view name) {
  return std::any_of(files().begin(), files().end(),
                     [name](const file_info& one) { return one.name == name; });
}

// -- command line ---------------------------------------------------------------------------------

void read_setting(std::string_view name, std::optional<std::string_view> value, arguments& args,
                  problem_list& problems) {
  auto* what = find_option(name);
  if (what == nullptr)
    return problems.add("command line: " + unknown(name));
  if (what->has(file_only))
    return problems.add("command line: " + qualified_name(*what) + " may only be set in "
                        + std::string{what->file} + ".conf");
  if (!value)
    return problems.add("command line: --" + qualified_name(*what) + " needs a value: --"
                        + qualified_name(*what) + "=VALUE");
  if (what->shape == form::store_uri && masked_uri(std::string{*value}) != *value)
    return problems.add("command line: store.uri with a password may only be set in store.conf or "
                        "by TROUPE_STORE_URI");
  args.values.emplace_back(what, *value);
}

void read_argument(std::string_view arg, arguments& args, problem_list& problems) {
  auto equals = arg.find('=');
  auto name = arg.substr(0, equals);
  auto value = equals == std::string_view::npos
                 ? std::nullopt
                 : std::optional<std::string_view>{arg.substr(equals + 1)};
  if (name == "--config-dir" && value && !value->empty())
    args.dir = *value;
  else if (name == "--config-dir")
    problems.add("command line: --config-dir needs a value: --config-dir=DIR");
  else if (name == "--help" || name == "-h") {
    args.help = value.value_or("");
    if (!args.help->empty() && !is_file_name(*args.help))
      problems.add("command line: --help=" + *args.help + ": there is no such file");
  } else if (arg == "--version")
    args.version = true;
  else if (arg == "--dump-config")
    args.dump = true;
  else if (arg == "--check-config")
    args.check = true;
  else if (name.starts_with("--") && name.size() > 2)
    read_setting(name.substr(2), value, args, problems);
  else
    problems.add("command line: " + std::string{arg.substr(0, 100)}
                 + " is not allowed; allowed are options that begin with -- (see --help)");
}

arguments read_arguments(int argc, const char* const* argv, problem_list& problems) {
  arguments args;
  if (argc > 0)
    args.program = fs::path{argv[0]}.filename();
  for (int i = 1; i < argc; ++i)
    read_argument(argv[i], args, problems);
  return args;
}

// -- files ----------------------------------------------------------------------------------------

/// What has been read so far.
struct reading {
  settings all;
  std::set<const option*> given; ///< Those that do not have their default.
};

void apply_entry(const entry& one, std::string_view file, const std::string& where, reading& to,
                 problem_list& problems) {
  auto* what = find_option(one.name);
  if (what == nullptr) {
    // A key without its group is the likeliest slip.
    auto in_group = std::string{file} + '.' + one.name;
    problems.add(
      where + ": "
      + (find_option(in_group) != nullptr
           ? "unknown setting " + one.name + "; write it inside " + std::string{file} + " { … }"
           : unknown(one.name)));
  } else if (what->file != file) {
    problems.add(where + ": " + one.name + " belongs into " + std::string{what->file} + ".conf");
  } else if (!assign(*what, to.all, one.value)) {
    problems.add(not_allowed(where, *what, shown(one.value)));
  } else {
    to.given.insert(what);
  }
}

void read_file(const fs::path& path, std::string_view file, reading& to, problem_list& problems) {
  std::error_code failed; // A directory opens like a file, and throws when it is read.
  std::ifstream in{path, std::ios::binary};
  if (!in || fs::is_directory(path, failed))
    return problems.add(path.string() + ": cannot be read");
  std::string text{std::istreambuf_iterator<char>{in}, {}};
  auto parsed = parse_file(text);
  if (!parsed.error.empty())
    return problems.add(path.string() + ':' + std::to_string(parsed.line) + ": " + parsed.error);
  for (auto& one : parsed.entries)
    apply_entry(one, file, path.string() + ':' + std::to_string(one.line), to, problems);
}

void read_directory(const std::string& dir, reading& to, problem_list& problems) {
  std::error_code failed;
  auto entries = fs::directory_iterator{dir, failed};
  if (failed)
    return problems.add("--config-dir=" + dir + ": " + failed.message()
                        + "; allowed is a readable directory");
  std::vector<fs::path> paths;
  for (auto& one : entries)
    if (one.path().extension() == ".conf")
      paths.push_back(one.path());
  std::sort(paths.begin(), paths.end());
  for (auto& path : paths) {
    auto stem = path.stem().string();
    if (is_file_name(stem))
      read_file(path, stem, to, problems);
    else
      problems.add(path.string() + ": no setting is read from a file of this name");
  }
}

// -- all together ---------------------------------------------------------------------------------

void read_environment(const environment& env, settings& to, problem_list& problems) {
  if (auto* key = env("TROUPE_MASTER_KEY"); key != nullptr && *key != '\0') {
    if (is_master_key(key))
      to.secrets.master_key = secret{key};
    else
      problems.add("environment: TROUPE_MASTER_KEY is not allowed; allowed are 32 bytes in base64");
  }
  if (auto* uri = env("TROUPE_STORE_URI"); uri != nullptr && *uri != '\0') {
    auto* what = find_option("store.uri");
    if (!assign_text(*what, to, uri))
      problems.add(
        not_allowed("environment: TROUPE_STORE_URI", *what, config::quoted(masked_uri(uri))));
  }
}

/// Defaults that follow another setting down (or up): whoever sets one key need not set the other.
void settle_defaults(reading& what) {
  auto lower = [&](std::string_view name, auto& value, auto limit) {
    if (!what.given.contains(find_option(name)))
      value = std::min(value, limit);
  };
  auto& pool = what.all.session_pool;
  lower("session-pool.max-per-host", pool.max_per_host, pool.max_connections);
  lower("session-pool.max-per-bot", pool.max_per_bot, pool.max_per_host);
  lower("session-pool.connect-timeout", pool.connect_timeout, pool.request_timeout);
  lower("session-pool.idle-timeout", pool.idle_timeout, pool.max_age);
  auto& bot = what.all.bot;
  lower("bot.first-delay", bot.first_delay, bot.max_delay);
  if (!what.given.contains(find_option("bot.lease-timeout")))
    bot.lease_timeout = std::max(bot.lease_timeout, 2 * pool.request_timeout);
  auto& supervisor = what.all.supervisor;
  lower("supervisor.quarantine", supervisor.quarantine, supervisor.quarantine_max);
}

/// @param here whether it is for a node of this machine, with the files that it names
settings read_all(const arguments& args, const environment& env, problem_list& problems,
                  bool here = true) {
  reading found;
  auto& all = found.all;
  if (args.dir)
    read_directory(*args.dir, found, problems);
  read_environment(env, all, problems);
  for (auto& [what, value] : args.values) {
    if (!assign_text(*what, all, value))
      problems.add(not_allowed("command line", *what, value));
    found.given.insert(what);
  }
  settle_defaults(found);
  auto* tokens = env("TROUPE_BOT_TOKENS");
  for (auto& problem : read_tokens(all.bot, tokens == nullptr ? "" : tokens))
    problems.add(problem);
  if (problems.empty())
    for (auto& problem : validate(all))
      problems.add(problem);
  if (auto wrong = all.delivery.rules_dir.empty() ? std::string{}
                                                  : rules::check_library(all.delivery.rules_dir);
      !wrong.empty())
    problems.add("delivery.rules-dir = \"" + all.delivery.rules_dir + "\" is not allowed: " + wrong);
  if (here)
    for (auto& problem : check_pem_files(all))
      problems.add(problem);
  return std::move(found.all);
}

} // namespace

environment process_environment() {
  return [](const char* name) -> const char* { return std::getenv(name); };
}

load_result load(int argc, const char* const* argv, const environment& env) {
  problem_list problems;
  auto args = read_arguments(argc, argv, problems);
  if (problems.empty() && args.help)
    return exit_request{render_help(args.program, *args.help)};
  if (problems.empty() && args.version)
    return exit_request{args.program + " " TROUPE_VERSION "\n"};
  auto all = read_all(args, env, problems);
  if (!problems.empty())
    return error{problems.text()};
  if (args.dump)
    return exit_request{render_dump(all)};
  if (args.check)
    return exit_request{"The configuration is correct.\n"};
  return all;
}

error check_directory(const std::string& dir, const environment& env) {
  problem_list problems;
  arguments args;
  args.dir = dir;
  static_cast<void>(read_all(args, env, problems, false));
  return {problems.text()};
}

std::variant<changes, error> reload(int argc, const char* const* argv, const environment& env,
                                    const settings& running) {
  problem_list problems;
  auto args = read_arguments(argc, argv, problems);
  auto next = read_all(args, env, problems);
  if (!problems.empty())
    return error{problems.text()};
  changes found;
  found.now = running;
  for (auto& one : schema()) {
    auto value = shown(one, next);
    // A store's new password is masked on both sides, so compare what it hides, too.
    if (value == shown(one, running)
        && (one.shape != form::store_uri || next.store.uri == running.store.uri))
      continue;
    (one.has(live) ? found.live : found.restart).push_back(qualified_name(one));
    if (one.has(live))
      std::visit([&](auto* to) { *to = *std::get<decltype(to)>(one.at(next)); }, one.at(found.now));
  }
  if (next.bot.tokens != running.bot.tokens)
    found.restart.emplace_back("bot.tokens");
  if (next.secrets.master_key != running.secrets.master_key)
    found.restart.emplace_back("secrets.master-key");
  return found;
}

} // namespace troupe::config

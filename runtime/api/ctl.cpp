#include "runtime/api/ctl.hpp"
#include "runtime/api/ctl_fetch.hpp"
#include "runtime/api/ctl_print.hpp"
#include "runtime/config/load.hpp"
#include "runtime/config/render.hpp"
#include "runtime/log/mask.hpp"

#include <boost/json/parse.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::seconds patience{10};

constexpr std::string_view usage = R"(Usage: troupectl COMMAND [OPTIONS]

Ask a running node:
  health     how well the upstream and the bots do
  tree       the supervision tree
  sessions   the connections to the upstream and who leases them
  budgets    how much of the request budgets is used
    --url=http://HOST:PORT  the node's control API (or the variable TROUPE_URL;
                            default http://127.0.0.1:8080)
    --limit=N               at most N rows in lists (default 200)
    --json                  the answer as it is, for scripts

Work on configuration files:
  config check --config-dir=DIR   say what is wrong in them
  config init --config-dir=DIR    write those that are missing, with every default
  config format --config-dir=DIR  refresh their comments, keep their settings

  --help, --version

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
)";

struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct command_line {
  std::vector<std::string> words;
  std::string url;
  std::string limit;
  std::string config_dir;
  bool json = false;
  bool help = false;
  bool version = false;
};

bool take(std::string_view arg, std::string_view option, std::string& value) {
  if (!arg.starts_with(option) || arg.size() <= option.size() || arg[option.size()] != '=')
    return false;
  value = arg.substr(option.size() + 1);
  return true;
}

command_line parse(std::span<const std::string_view> args) {
  command_line line;
  for (auto arg : args) {
    if (arg == "--help" || arg == "-h" || arg == "help")
      line.help = true;
    else if (arg == "--version")
      line.version = true;
    else if (arg == "--json")
      line.json = true;
    else if (take(arg, "--url", line.url) || take(arg, "--limit", line.limit)
             || take(arg, "--config-dir", line.config_dir))
      continue;
    else if (arg.starts_with('-'))
      throw usage_error{"unknown option " + log::mask_tokens(arg)};
    else
      line.words.emplace_back(arg);
  }
  return line;
}

// -- asking a node --------------------------------------------------------------------------------

struct question {
  std::string_view name;
  std::string_view path;
  void (*print)(const printer&, const json::object&);
};

constexpr question questions[] = {
  {"health", "/v1/health", print_health},
  {"tree", "/v1/supervision", print_tree},
  {"sessions", "/v1/sessions", print_sessions},
  {"budgets", "/v1/budgets", print_budgets},
};

/// What went wrong on the node's side, in its own words if it has any.
std::string reason(const fetched& answer) {
  boost::system::error_code failed;
  auto body = json::parse(answer.body, failed);
  if (!failed && body.is_object())
    if (auto* detail = body.as_object().if_contains("detail");
        detail != nullptr && detail->is_string())
      return std::string{detail->as_string()};
  return "the node answered with status " + std::to_string(answer.status);
}

void ask_node(const question& what, const command_line& line, const printer& to) {
  std::string path{what.path};
  if (!line.limit.empty()) {
    if (line.limit.find_first_not_of("0123456789") != std::string::npos)
      throw usage_error{"--limit=" + line.limit + ": allowed is a number"};
    path += "?limit=" + line.limit;
  }
  auto answer = fetch(line.url, path, patience);
  if (answer.status != 200)
    throw std::runtime_error{reason(answer)};
  if (line.json) {
    to.out << answer.body << '\n';
    return;
  }
  try {
    what.print(to, json::parse(answer.body).as_object());
  } catch (const std::exception&) {
    throw std::runtime_error{"the answer is not one of a Troupe node of this version"};
  }
}

// -- configuration files --------------------------------------------------------------------------

std::string text_of(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Writes a file as a whole or not at all.
void replace(const fs::path& path, const std::string& text) {
  auto draft = path;
  draft += ".new";
  std::ofstream out{draft, std::ios::binary};
  out << text;
  out.close();
  std::error_code failed;
  if (out)
    fs::rename(draft, path, failed);
  if (!out || failed)
    throw std::runtime_error{"cannot write " + path.string()};
}

int check_config(const command_line& line, const printer& to, std::ostream& err) {
  auto wrong = config::check_directory(line.config_dir, config::process_environment());
  if (wrong.message.empty()) {
    to.out << "The configuration in " << line.config_dir << " is correct.\n";
    return 0;
  }
  err << wrong.message;
  return 2;
}

int init_config(const command_line& line, const printer& to) {
  std::error_code ignored;
  fs::create_directories(line.config_dir, ignored);
  for (auto& file : config::files()) {
    auto path = fs::path{line.config_dir} / (std::string{file.name} + ".conf");
    if (fs::exists(path))
      continue;
    replace(path, config::render_file(file, config::settings{}));
    to.out << "wrote " << path.string() << '\n';
  }
  return 0;
}

int format_config(const command_line& line, const printer& to, std::ostream& err) {
  if (auto status = check_config(line, to, err); status != 0)
    return status;
  for (auto& file : config::files()) {
    auto path = fs::path{line.config_dir} / (std::string{file.name} + ".conf");
    if (!fs::exists(path))
      continue;
    auto before = text_of(path);
    auto after = config::rewrite_file(file, before);
    if (!after || *after == before)
      continue;
    replace(path, *after);
    to.out << "wrote " << path.string() << '\n';
  }
  return 0;
}

int run_config(const command_line& line, const printer& to, std::ostream& err) {
  auto what = line.words.size() == 2 ? line.words[1] : std::string{};
  if (what != "check" && what != "init" && what != "format")
    throw usage_error{"config needs one of: check, init, format"};
  if (line.config_dir.empty())
    throw usage_error{"config " + what + " needs --config-dir=DIR"};
  return what == "check"  ? check_config(line, to, err)
         : what == "init" ? init_config(line, to)
                          : format_config(line, to, err);
}

int dispatch(const command_line& line, const printer& to, std::ostream& err) {
  if (line.help || line.version) {
    to.out << (line.help ? usage : "troupectl " TROUPE_VERSION "\n");
    return 0;
  }
  if (line.words.empty())
    throw usage_error{"a command is missing"};
  if (line.words[0] == "config")
    return run_config(line, to, err);
  for (auto& one : questions) {
    if (one.name != line.words[0])
      continue;
    if (line.words.size() > 1)
      throw usage_error{line.words[0] + " takes no further words"};
    ask_node(one, line, to);
    return 0;
  }
  throw usage_error{"unknown command " + log::mask_tokens(line.words[0])};
}

} // namespace

int run_ctl(std::span<const std::string_view> args, std::string_view url, bool colour,
            std::ostream& out, std::ostream& err) {
  try {
    auto line = parse(args);
    if (line.url.empty())
      line.url = url.empty() ? "http://127.0.0.1:8080" : url;
    return dispatch(line, {out, colour}, err);
  } catch (const usage_error& wrong) {
    err << "troupectl: " << wrong.what() << " (see troupectl --help)\n";
    return 2;
  } catch (const std::exception& failed) {
    err << "troupectl: " << failed.what() << '\n';
    return 1;
  }
}

} // namespace troupe::api

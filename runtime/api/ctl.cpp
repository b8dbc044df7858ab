#include "runtime/api/ctl.hpp"

#include "runtime/api/ctl_line.hpp"
#include "runtime/log/mask.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace troupe::api {
namespace {

std::vector<command> joined_commands() {
  std::vector<command> all;
  for (auto part :
       {node_commands(), cluster_commands(), top_commands(), bot_commands(), import_commands(), update_commands(),
        tenant_commands(), access_commands(), store_commands(), config_commands(), shell_commands()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

// -- help -----------------------------------------------------------------------------------------

std::string shown_options(std::string_view options) {
  std::string all;
  while (!options.empty()) {
    auto end = std::min(options.find(' '), options.size());
    all += fmt::format(" [--{}{}]", options.substr(0, end), options[end - 1] == '=' ? "…" : "");
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return all;
}

void print_usage(std::ostream& out) {
  out << "Usage: troupectl COMMAND [OPTIONS]\n\n";
  for (auto& one : commands()) {
    out << "  " << one.words << (one.arguments.empty() ? "" : " ") << one.arguments
        << shown_options(one.options) << "\n      " << one.help << '\n';
  }
  out << R"(
Commands that ask a node take
  --url=http://HOST:PORT  its control API, or https:// (or the variable TROUPE_URL;
                          default http://127.0.0.1:8080)
  --ca-file=FILE          authorities to trust instead of the system's
  --key-file=FILE         a file with the API key (or the variable TROUPE_KEY;
                          default, for a node on this machine: operator.key in
                          --data-dir=DIR, or in troupe-data)
  --json                  the answer as it is, for scripts

  --help, --version

Exit status: 0 done, 1 failed, 2 wrong usage or configuration.
)";
}

// -- the command line -----------------------------------------------------------------------------

bool is_listed(std::string_view options, const std::string& name, bool with_value) {
  auto wanted = with_value ? name + '=' : name;
  while (!options.empty()) {
    auto end = std::min(options.find(' '), options.size());
    if (options.substr(0, end) == wanted)
      return true;
    options.remove_prefix(std::min(end + 1, options.size()));
  }
  return false;
}

std::string first_two(const std::vector<std::string>& words) {
  return words.size() > 1 ? words[0] + ' ' + words[1] : words[0];
}

const command& find_command(std::vector<std::string>& words) {
  if (words.empty())
    throw usage_error{"a command is missing"};
  for (auto& one : commands()) {
    auto count = one.words.find(' ') == std::string_view::npos ? 1u : 2u;
    if ((count == 1 ? words[0] : first_two(words)) != one.words)
      continue;
    words.erase(words.begin(), words.begin() + count);
    return one;
  }
  std::string follow;
  for (auto& one : commands())
    if (one.words.starts_with(words[0] + ' '))
      follow += (follow.empty() ? "" : ", ") + std::string{one.words.substr(words[0].size() + 1)};
  if (!follow.empty())
    throw usage_error{words[0] + " needs one of: " + follow};
  throw usage_error{"unknown command " + log::mask_tokens(words[0])};
}

/// "ID METHOD [JSON]" → 2 and 3; "[BODY...]" → no upper bound.
void check_count(const ctl_call& call) {
  auto text = call.what->arguments;
  std::size_t least = 0;
  std::size_t most = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (i == 0 || text[i - 1] == ' ') {
      ++most;
      least += text[i] == '[' ? 0 : 1;
    }
  if (text.ends_with("...]"))
    most = SIZE_MAX;
  if (call.words.size() < least)
    throw usage_error{fmt::format("{} needs {}", call.what->words, text)};
  if (call.words.size() > most)
    throw usage_error{most == 0 ? std::string{call.what->words} + " takes no further words"
                                : fmt::format("{} takes only {}", call.what->words, text)};
}

ctl_call parse(std::span<const std::string_view> args, const ctl_world& world) {
  ctl_call call{world, nullptr, {}, {}};
  for (auto arg : args) {
    if (!arg.starts_with("--")) {
      if (arg.starts_with('-') && arg.size() > 1)
        throw usage_error{"unknown option " + log::mask_tokens(arg)};
      call.words.emplace_back(arg);
      continue;
    }
    auto equals = arg.find('=');
    auto name = std::string{arg.substr(2, equals == std::string_view::npos ? equals : equals - 2)};
    call.options[name] = equals == std::string_view::npos ? "" : arg.substr(equals + 1);
  }
  call.what = &find_command(call.words);
  for (auto arg : args) {
    if (!arg.starts_with("--"))
      continue;
    auto equals = arg.find('=');
    auto name = std::string{arg.substr(2, equals == std::string_view::npos ? equals : equals - 2)};
    auto with_value = equals != std::string_view::npos;
    if (!is_listed(call.what->options, name, with_value)
        && !is_listed(node_options, name, with_value))
      throw usage_error{"unknown option " + log::mask_tokens(arg.substr(0, equals))};
  }
  check_count(call);
  return call;
}

bool asks_for(std::span<const std::string_view> args, std::initializer_list<std::string_view> any) {
  return std::any_of(args.begin(), args.end(), [any](std::string_view arg) {
    return std::find(any.begin(), any.end(), arg) != any.end();
  });
}

int dispatch(std::span<const std::string_view> args, const ctl_world& world) {
  if (asks_for(args, {"--help", "-h"}) || (!args.empty() && args[0] == "help")) {
    print_usage(world.out);
    return 0;
  }
  if (asks_for(args, {"--version"})) {
    world.out << "troupectl " TROUPE_VERSION "\n";
    return 0;
  }
  auto call = parse(args, world);
  return call.what->run(call);
}

} // namespace

const std::vector<command>& commands() {
  static const auto all = joined_commands();
  return all;
}

std::string ctl_call::option(const std::string& name) const {
  auto found = options.find(name);
  return found == options.end() ? std::string{} : found->second;
}

std::int64_t ctl_call::number(const std::string& name) const {
  auto text = option(name);
  std::int64_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value < 0)
    throw usage_error{"--" + name + "=" + log::mask_tokens(text) + ": allowed is a number"};
  return value;
}

std::string id_word(const ctl_call& from, std::size_t i) {
  auto& word = from.words[i];
  if (word.empty() || word.find_first_not_of("0123456789") != std::string::npos)
    throw usage_error{"\"" + log::mask_tokens(word) + "\" is no id; allowed is a number"};
  return word;
}

std::string bot_path(const ctl_call& from, std::string_view rest) {
  return "/v1/bots/" + id_word(from, 0) + std::string{rest};
}

std::string encoded(std::string_view text) {
  std::string out;
  for (auto c : text) {
    auto plain = log::detail::is_token_char(c) || c == '.';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

int run_ctl(std::span<const std::string_view> args, const ctl_world& world) {
  try {
    return dispatch(args, world);
  } catch (const usage_error& wrong) {
    world.err << "troupectl: " << wrong.what() << " (see troupectl --help)\n";
    return 2;
  } catch (const std::exception& failed) {
    world.err << "troupectl: " << failed.what() << '\n';
    return 1;
  }
}

} // namespace troupe::api

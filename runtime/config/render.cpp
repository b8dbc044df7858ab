#include "runtime/config/render.hpp"
#include "runtime/config/file.hpp"
#include "runtime/config/value.hpp"

#include <algorithm>
#include <vector>

namespace troupe::config {
namespace {

constexpr std::size_t width = 98;

/// Appends `text` in lines that begin with `indent`.
void append_wrapped(std::string& out, std::string_view text, std::string_view indent) {
  std::size_t column = 0;
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    if (column == 0 || column + 1 + end > width) {
      out += column == 0 ? "" : "\n";
      out += indent;
      column = indent.size();
    } else {
      out += ' ';
      ++column;
    }
    out += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out += '\n';
}

std::string facts(const option& what) {
  auto text = "Allowed: " + allowed(what) + ". Default: " + shown(what, settings{}) + ".";
  if (what.has(live))
    text += " Changes live.";
  if (what.has(file_only))
    text += " Not on the command line.";
  return text;
}

} // namespace

std::string render_file(const file_info& which, const settings& values,
                        std::span<const std::string_view> only) {
  std::string out;
  append_wrapped(out, std::string{which.name} + ".conf: " + std::string{which.about} + ".", "# ");
  append_wrapped(out, "A setting that is missing here has its default.", "# ");
  out += std::string{which.name} + " {\n";
  bool first = true;
  for (auto& one : schema()) {
    if (one.file != which.name)
      continue;
    if (!only.empty() && std::find(only.begin(), only.end(), one.key) == only.end())
      continue;
    out += first ? "" : "\n";
    first = false;
    append_wrapped(out, one.help, "  # ");
    append_wrapped(out, facts(one), "  # ");
    out += "  " + std::string{one.key} + " = " + shown(one, values) + '\n';
  }
  return out + "}\n";
}

std::optional<std::string> rewrite_file(const file_info& which, std::string_view text) {
  auto parsed = parse_file(text);
  settings values;
  std::vector<std::string_view> keys;
  for (auto& one : parsed.entries) {
    auto* what = find_option(one.name);
    if (what == nullptr || what->file != which.name || !assign(*what, values, one.value))
      return std::nullopt;
    keys.push_back(what->key);
  }
  if (!parsed.error.empty())
    return std::nullopt;
  return render_file(which, values, keys);
}

std::string render_dump(const settings& values) {
  std::string out;
  for (auto& file : files()) {
    out += std::string{file.name} + " {\n";
    for (auto& one : schema())
      if (one.file == file.name)
        out += "  " + std::string{one.key} + " = " + shown(one, values) + '\n';
    out += "}\n";
  }
  out += "# " + std::to_string(values.bot.tokens.size()) + " bot tokens are configured\n";
  out += std::string{"# the master key is "}
         + (values.secrets.master_key.empty() ? "not set\n" : "set by TROUPE_MASTER_KEY\n");
  return out;
}

std::string render_help(std::string_view program, std::string_view file) {
  std::string out =
    "Usage: " + std::string{program} + " [--config-dir=DIR] [--FILE.KEY=VALUE …]\n\n";
  out +=
    "  --config-dir=DIR  read DIR/node.conf and the other files; a missing file means defaults\n"
    "  --check-config    check the configuration, say what is wrong, and exit\n"
    "  --dump-config     print every setting and exit\n"
    "  --help[=FILE]     print this text, or the part for one file, and exit\n"
    "  --version         print the version and exit\n\n"
    "The command line wins over the environment, the environment over the files.\n"
    "Environment: TROUPE_BOT_TOKENS, TROUPE_MASTER_KEY, TROUPE_STORE_URI.\n"
    "Exit status: 0 stopped as asked, 1 failed, 2 wrong usage or configuration.\n";
  for (auto& group : files()) {
    if (!file.empty() && group.name != file)
      continue;
    out += '\n' + std::string{group.name} + ".conf: " + std::string{group.about} + '\n';
    for (auto& one : schema()) {
      if (one.file != group.name)
        continue;
      out += "  --" + qualified_name(one) + '=' + shown(one, settings{}) + '\n';
      append_wrapped(out, one.help, "      ");
      append_wrapped(out, facts(one), "      ");
    }
  }
  return out;
}

} // namespace troupe::config

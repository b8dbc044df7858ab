#include "runtime/api/ctl_line.hpp"

#include <set>

// Completion of commands and options in a shell, made from the table of commands.
namespace troupe::api {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    if (end > 0)
      all.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all;
}

std::string dashed(std::string_view options) {
  std::string all;
  for (auto& one : split(options))
    all += (all.empty() ? "--" : " --") + one;
  return all;
}

/// Reads: words typed so far → what may follow.
int bash(const ctl_call& from) {
  auto& out = from.world.out;
  std::string cases;
  std::set<std::string> first;
  std::map<std::string, std::string> second;
  for (auto& one : commands()) {
    auto words = split(one.words);
    first.insert(words[0]);
    auto name = words[0];
    if (words.size() > 1) {
      auto& follow = second[words[0]];
      follow += (follow.empty() ? "" : " ") + words[1];
      name += ' ' + words[1];
    }
    cases += "    '" + name + "') words='" + dashed(one.options) + ' ' + dashed(node_options)
             + "' ;;\n";
  }
  out << "# bash completion for troupectl: source <(troupectl completion bash)\n"
         "_troupectl() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} words='' typed=() one\n"
         "  for one in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    [[ $one == -* || $one == = ]] || typed+=(\"$one\")\n"
         "  done\n"
         "  case \"${typed[*]:0:2}\" in\n"
         "    '') words='";
  for (auto& one : first)
    out << one << ' ';
  out << "--help --version' ;;\n";
  for (auto& [one, follow] : second)
    out << "    '" << one << "') words='" << follow << "' ;;\n";
  out << cases
      << "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
         "  return 0\n"
         "}\n"
         "complete -o default -F _troupectl troupectl\n";
  return 0;
}

constexpr command shell_command_table[] = {
  {"completion bash", "", "", "a script that completes commands and options in bash", bash},
};

} // namespace

std::span<const command> shell_commands() {
  return shell_command_table;
}

} // namespace troupe::api

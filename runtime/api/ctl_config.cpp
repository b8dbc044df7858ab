#include "runtime/api/ctl_line.hpp"
#include "runtime/config/load.hpp"
#include "runtime/config/render.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

// Work on configuration files.
namespace troupe::api {
namespace {

namespace fs = std::filesystem;

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

std::string dir_of(const ctl_call& from) {
  auto dir = from.option("config-dir");
  if (dir.empty())
    throw usage_error{std::string{from.what->words} + " needs --config-dir=DIR"};
  return dir;
}

int check_config(const ctl_call& from) {
  auto dir = dir_of(from);
  auto wrong = config::check_directory(dir, config::process_environment());
  if (wrong.message.empty()) {
    from.world.out << "The configuration in " << dir << " is correct.\n";
    return 0;
  }
  from.world.err << wrong.message;
  return 2;
}

int init_config(const ctl_call& from) {
  auto dir = dir_of(from);
  std::error_code ignored;
  fs::create_directories(dir, ignored);
  for (auto& file : config::files()) {
    auto path = fs::path{dir} / (std::string{file.name} + ".conf");
    if (fs::exists(path))
      continue;
    replace(path, config::render_file(file, config::settings{}));
    from.world.out << "wrote " << path.string() << '\n';
  }
  return 0;
}

int format_config(const ctl_call& from) {
  auto dir = dir_of(from);
  if (auto status = check_config(from); status != 0)
    return status;
  for (auto& file : config::files()) {
    auto path = fs::path{dir} / (std::string{file.name} + ".conf");
    if (!fs::exists(path))
      continue;
    auto before = text_of(path);
    auto after = config::rewrite_file(file, before);
    if (!after || *after == before)
      continue;
    replace(path, *after);
    from.world.out << "wrote " << path.string() << '\n';
  }
  return 0;
}

constexpr command config_command_table[] = {
  {"config check", "", "config-dir=", "say what is wrong in a directory's files", check_config},
  {"config init", "", "config-dir=", "write those that are missing, with every default", init_config},
  {"config format", "", "config-dir=", "refresh their comments, keep their settings", format_config},
};

} // namespace

std::span<const command> config_commands() {
  return config_command_table;
}

} // namespace troupe::api

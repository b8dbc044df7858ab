#include "runtime/rules/library.hpp"

#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

namespace troupe::rules {
namespace {

namespace fs = std::filesystem;

using programs = std::map<std::string, std::shared_ptr<const program>, std::less<>>;

struct shelf {
  std::mutex mutex;
  programs all;
};

shelf& the_shelf() {
  static shelf one;
  return one;
}

std::string text_of(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  if (!in)
    throw bad_rules{file.string() + ": cannot be read"};
  return std::move(text).str();
}

programs read_folder(const fs::path& folder) {
  programs read;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator{folder, none}) {
    const auto& file = entry.path();
    if (file.extension() != ".json")
      continue;
    try {
      read[file.stem().string()] = parse_text(text_of(file));
    } catch (const bad_rules& x) {
      throw bad_rules{file.string() + ": " + x.what()};
    }
  }
  return read;
}

} // namespace

void load_library(const fs::path& folder) {
  auto read = read_folder(folder);
  auto& known = the_shelf();
  std::lock_guard lock{known.mutex};
  known.all.swap(read);
}

std::string check_library(const fs::path& folder) {
  try {
    static_cast<void>(read_folder(folder));
    return {};
  } catch (const bad_rules& x) {
    return x.what();
  }
}

std::shared_ptr<const program> find_in_library(std::string_view name) {
  auto& known = the_shelf();
  std::lock_guard lock{known.mutex};
  auto found = known.all.find(name);
  return found == known.all.end() ? nullptr : found->second;
}

} // namespace troupe::rules

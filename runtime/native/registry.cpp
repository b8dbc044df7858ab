#include "runtime/native/handler.hpp"

#include <algorithm>
#include <map>
#include <mutex>

namespace troupe::native {
namespace {

struct registry {
  std::mutex mutex;
  std::map<std::string, factory, std::less<>> all;
};

registry& the_registry() {
  static registry one;
  return one;
}

} // namespace

void register_handler(std::string name, factory make) {
  auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), allowed) || !make)
    throw std::invalid_argument{"a handler's name has 1 to 64 of the characters a-z, 0-9 and -"};
  auto& known = the_registry();
  std::lock_guard lock{known.mutex};
  if (!known.all.try_emplace(name, std::move(make)).second)
    throw std::invalid_argument{"there are two handlers called " + name};
}

factory find_handler(std::string_view name) {
  auto& known = the_registry();
  std::lock_guard lock{known.mutex};
  auto found = known.all.find(name);
  return found == known.all.end() ? factory{} : found->second;
}

std::vector<std::string> handler_names() {
  auto& known = the_registry();
  std::lock_guard lock{known.mutex};
  std::vector<std::string> result;
  for (const auto& [name, unused] : known.all)
    result.push_back(name);
  return result;
}

} // namespace troupe::native

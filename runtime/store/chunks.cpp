#include "runtime/store/chunks.hpp"

namespace troupe::store {

std::string placeholders(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i)
    out += (i == 0 ? ":p" : ", :p") + std::to_string(i);
  return out;
}

} // namespace troupe::store

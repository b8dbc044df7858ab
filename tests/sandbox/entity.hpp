#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sandbox {

/// A stretch of a text that means something: bold, a link, a command.
struct entity {
  std::string_view type;
  std::size_t offset = 0; ///< UTF-16.
  std::size_t length = 0;
  std::string more; ///< JSON members: `,"url":"…"`.
};

/// The JSON array of them; empty if there are none.
[[nodiscard]] std::string to_json(const std::vector<entity>& entities);

} // namespace troupe::sandbox

#pragma once
#include <chrono>
#include <string>
#include <string_view>

namespace troupe::api {

struct fetched {
  unsigned status = 0;
  std::string body;
};

/// GETs `path` from `url` (http://HOST[:PORT]) and waits for the whole answer.
/// @throws std::runtime_error with a sentence for people: the URL is wrong, nobody listens there,
/// the answer did not come within `patience`
[[nodiscard]] fetched fetch(std::string_view url, std::string_view path,
                            std::chrono::milliseconds patience);

} // namespace troupe::api

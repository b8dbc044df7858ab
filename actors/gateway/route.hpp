#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::gateway {

/// What a request's target asks for.
enum class route_kind : std::uint8_t {
  none,   ///< Not a Bot API path.
  method, ///< /bot<token>[/test]/<method>, method possibly empty.
  file,   ///< /file/bot<token>/<path>
};

struct route {
  route_kind kind = route_kind::none;
  std::string token; ///< Decoded (a colon may come as %3A). A secret.
  std::string_view method;
  std::string_view query; ///< Without the question mark.
};

/// Takes a target apart; the views point into `target`.
[[nodiscard]] route parse_route(std::string_view target);

} // namespace troupe::gateway

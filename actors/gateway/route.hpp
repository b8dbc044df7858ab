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
  std::string token;      ///< Decoded (a colon may come as %3A). A secret.
  std::string method;     ///< Decoded, as the upstream will.
  bool test = false;      ///< Of the upstream's test environment.
  std::string_view query; ///< Without the question mark.
};

/// Takes a target apart as the upstream does: the path ends at a question mark or a fragment, the
/// query goes to the target's end; the path is decoded, then split. The query points into `target`.
[[nodiscard]] route parse_route(std::string_view target);

} // namespace troupe::gateway

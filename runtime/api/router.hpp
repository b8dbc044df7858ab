#pragma once
#include "runtime/api/fields.hpp"
#include "runtime/api/problem.hpp"
#include "runtime/net/http_server.hpp"

#include <array>

/// The table of routes: what serves a request, what it may hold, who may make it. The OpenAPI
/// document is made from the same table.
namespace troupe::api {

struct context;
struct inquiry;
using task = net::http_task<response>;

/// Whose key a route asks for.
enum class access : std::uint8_t {
  open,      ///< Nobody's.
  node,      ///< An operator's; on a node without a store, nobody's. Not counted by the quota.
  viewer,    ///< A tenant's of any role, or an operator's; likewise the next two.
  developer, ///< Whoever may change bots.
  admin,     ///< Whoever may manage the tenant's keys.
  operator_, ///< An operator's.
};

enum class body_use : std::uint8_t {
  none,     ///< A body is refused.
  optional, ///< May be left out, as if it were {}.
  needed,
  free, ///< Optional; an object of any content.
};

struct route {
  std::string_view method;
  std::string_view path; ///< "/v1/bots/{id}:activate"; what stands in braces is an argument.
  std::string_view name; ///< Unique: the operation's id in the OpenAPI document.
  std::string_view summary;
  access needs = access::open;
  task (*serve)(context&, const inquiry&) = nullptr;
  int success = 200;
  std::span<const field> query = {};
  body_use takes = body_use::none;
  std::span<const field> body = {};
  std::string_view answer = "application/json"; ///< Media type.
};

/// All routes, each method and path once.
[[nodiscard]] std::span<const route> routes();

/// What a path has in the places of a route's arguments. Views into the path.
class path_arguments {
public:
  [[nodiscard]] std::string_view text(std::string_view name) const noexcept;
  /// A positive number without leading zeros; 0 if it is none.
  [[nodiscard]] std::int64_t number(std::string_view name) const noexcept;
  bool add(std::string_view name, std::string_view value) noexcept;

private:
  struct one {
    std::string_view name;
    std::string_view value;
  };
  std::array<one, 3> all_{};
  std::size_t size_ = 0;
};

/// Whether `path` is one of `pattern`'s; fills `arguments`. An argument has at least one character,
/// all of `A-Za-z0-9_-`.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view path,
                           path_arguments& arguments) noexcept;

struct found_route {
  const route* where = nullptr;
  path_arguments arguments;
  std::string allowed; ///< Without a route: the methods that the path takes; empty: no such path.
};

/// HEAD is served as GET.
[[nodiscard]] found_route find_route(std::string_view method, std::string_view path);

} // namespace troupe::api

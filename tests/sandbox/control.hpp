#pragma once
#include "tests/sandbox/routes.hpp"

#include <boost/json/object.hpp>

#include <array>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace troupe::sandbox {

/// Why a control request cannot be done: thrown by its handler.
struct control_error : std::runtime_error {
  control_error(int code, const std::string& why) : std::runtime_error(why), status(code) {}
  int status;
};

/// One control request: its body is a JSON object, its answer is JSON.
struct control_request {
  const control_context& context;
  const boost::json::object& body;
  std::array<std::string_view, 2> captured; ///< What stood for the pattern's stars.
  std::string_view query;

  [[nodiscard]] world& w() const noexcept { return context.w; }

  // Members of the body; all throw control_error(400) when something is wrong.
  [[nodiscard]] std::string_view text(std::string_view name) const; ///< Empty if missing.
  [[nodiscard]] std::string_view required_text(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const;
  [[nodiscard]] std::int64_t required_integer(std::string_view name) const;
  [[nodiscard]] double number(std::string_view name, double otherwise) const;
  [[nodiscard]] bool flag(std::string_view name, bool otherwise) const;

  // What the members name; all throw control_error(404 or 400).
  [[nodiscard]] std::shared_ptr<bot> named_bot() const;
  [[nodiscard]] std::shared_ptr<const user> named_user() const;
  [[nodiscard]] std::int64_t captured_id(std::size_t index = 0) const;
  /// The chat of the path; `bot` in the body tells private chats with one user apart.
  [[nodiscard]] std::shared_ptr<chat> captured_chat() const;
};

/// A route: "*" in the pattern stands for one segment.
struct control_route {
  std::string_view method;
  std::string_view pattern; ///< Behind "/sandbox/".
  std::string (*run)(const control_request&);
  std::string_view members = {}; ///< That its body may have, with blanks between them.
};

/// Throws control_error when the body has another member than these.
void expect_members(const boost::json::object& body, std::string_view members);

/// Making bots, users and chats, and users at work in them.
std::span<const control_route> scene_routes();
/// Faults, load, clock, statistics.
std::span<const control_route> steering_routes();

} // namespace troupe::sandbox

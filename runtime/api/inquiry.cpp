#include "runtime/api/inquiry.hpp"

#include <charconv>

namespace troupe::api {

namespace json = boost::json;

author inquiry::by() const {
  return {who.shown_name(), who.who.key.id, client, std::string{what.request_id}};
}

std::int64_t inquiry::id(std::string_view argument, const error_text& otherwise) const {
  auto number = path.number(argument);
  // Whatever can be no id is treated as an id that nobody has.
  if (number == 0)
    throw refused{otherwise};
  return number;
}

const json::value* inquiry::member(std::string_view name) const noexcept {
  return body.if_contains(name);
}

std::string inquiry::text(std::string_view name, std::string_view otherwise) const {
  auto* found = member(name);
  return found == nullptr ? std::string{otherwise} : std::string{found->get_string()};
}

std::int64_t inquiry::number(std::string_view name, std::int64_t otherwise) const {
  auto* found = member(name);
  return found == nullptr ? otherwise : found->get_int64();
}

bool inquiry::flag(std::string_view name) const {
  auto* found = member(name);
  return found != nullptr && found->get_bool();
}

refused refused_with(const caf::error& why, const error_text& not_found) {
  if (why == store_refusal::not_found)
    return refused{not_found};
  return refused_by(why);
}

std::int64_t cursor_of(const inquiry& from) {
  auto text = from.query.text("cursor");
  if (!text)
    return 0;
  std::int64_t last = 0;
  auto digits = text->starts_with('c') ? text->substr(1) : std::string_view{};
  auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), last);
  if (failed != std::errc{} || end != digits.data() + digits.size() || last <= 0)
    throw refused{api_error::bad_request, "cursor must be the next_cursor of an earlier page.",
                  "cursor"};
  return last;
}

std::uint32_t limit_of(const inquiry& from) {
  return static_cast<std::uint32_t>(from.query.number("limit").value_or(100));
}

json::value next_cursor(std::int64_t last, bool more) {
  if (!more)
    return nullptr;
  return json::value("c" + std::to_string(last));
}

} // namespace troupe::api

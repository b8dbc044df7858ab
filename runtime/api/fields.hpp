#pragma once
#include "runtime/api/errors.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// What a request's body and query may hold, as data: checked before a route sees them, and shown
/// in the OpenAPI document.
namespace troupe::api {

enum class shape : std::uint8_t {
  text,    ///< `least` to `most` characters, none of them a control character.
  integer, ///< From `least` to `most`.
  boolean,
  ids,    ///< `least` to `most` positive numbers.
  texts,  ///< `least` to `most` texts of at most 100 characters.
  object, ///< With the fields of `inside` and no others.
  any,    ///< A JSON object of any content.
};

/// A member of a body, or a parameter of a query (text, integer).
struct field {
  std::string_view name;
  shape type = shape::text;
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::string_view help;
  bool required = false;
  std::span<const std::string_view> words = {}; ///< A text must be one of them.
  std::span<const field> inside = {};
};

/// Why a body or a query is refused.
struct complaint {
  api_error what = api_error::bad_request;
  std::string where;    ///< "limits.rps"; empty for the whole.
  std::string sentence; ///< For people; empty: the table's.
};

template <class T>
using checked = std::variant<T, complaint>;

inline constexpr std::size_t deepest_body = 32;

/// Parses `text` strictly: UTF-8, nothing behind the object, at most `deepest_body` levels, no name
/// twice in an object.
[[nodiscard]] checked<boost::json::object> read_object(std::string_view text);

/// Parses `text` and checks it: every member known, none missing, types and ranges right.
[[nodiscard]] checked<boost::json::object> read_body(std::string_view text,
                                                     std::span<const field> fields);

/// A query's parameters by name, decoded; integers were checked and are read by `number_in`.
class parameters {
public:
  [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const noexcept;
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const noexcept;
  void add(std::string_view name, std::string value) { all_.emplace_back(name, std::move(value)); }

private:
  std::vector<std::pair<std::string_view, std::string>> all_;
};

/// Splits, decodes (%XX, plus signs) and checks a query: every parameter known, at most once.
[[nodiscard]] checked<parameters> read_query(std::string_view query,
                                             std::span<const field> fields);

/// `text` as it may be shown in an answer: short, masked, without control characters.
[[nodiscard]] std::string shown(std::string_view text);

} // namespace troupe::api

#pragma once
#include "runtime/store/error.hpp"

#include <charconv>
#include <chrono>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

/// How values become parameters and columns. Columns are BIGINT or TEXT, nothing else: both
/// databases give these back exactly as they were stored.
namespace troupe::store {

/// Wall-clock time, stored as milliseconds since 1970 (UTC).
using wall_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// One parameter of a statement.
struct parameter {
  enum class type : std::uint8_t { integer, text } kind = type::integer;
  bool null = false;
  std::int64_t integer = 0;
  std::string text;
};

/// A value of a row that is inserted: a number, or a text that is only borrowed.
struct borrowed {
  template <std::integral T>
  borrowed(T x) : integer(static_cast<std::int64_t>(x)) {}
  borrowed(std::string_view x) : kind(parameter::type::text), text(x) {}
  borrowed(const std::string& x) : borrowed(std::string_view{x}) {}

  parameter::type kind = parameter::type::integer;
  std::int64_t integer = 0;
  std::string_view text;
};

/// One column of a row that was read.
struct cell {
  std::string text;
  bool null = false;
};

/// Whether `text` can be stored: UTF-8 without zero bytes. PostgreSQL takes nothing else, and SOCI
/// would cut it short at a zero byte.
[[nodiscard]] bool is_text(std::string_view text) noexcept;

namespace detail {

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

[[noreturn]] void misread();
[[noreturn]] void no_text();

} // namespace detail

template <class T>
parameter to_parameter(const T& x) {
  using type = parameter::type;
  if constexpr (detail::is_optional<T>) {
    auto result = to_parameter(x ? *x : typename T::value_type{});
    result.null = !x;
    return result;
  } else if constexpr (std::is_same_v<T, wall_time>) {
    return {type::integer, false, x.time_since_epoch().count(), {}};
  } else if constexpr (std::is_enum_v<T>) {
    return {type::text, false, 0, to_string(x)};
  } else if constexpr (std::is_integral_v<T>) {
    return {type::integer, false, static_cast<std::int64_t>(x), {}};
  } else {
    return {type::text, false, 0, std::string{x}};
  }
}

template <class T>
void from_cell(const cell& from, T& to) {
  if constexpr (detail::is_optional<T>) {
    if (from.null)
      to.reset();
    else
      from_cell(from, to.emplace());
  } else if (from.null) {
    detail::misread();
  } else if constexpr (std::is_same_v<T, std::string>) {
    to = from.text;
  } else if constexpr (std::is_same_v<T, wall_time>) {
    std::int64_t ms = 0;
    from_cell(from, ms);
    to = wall_time{std::chrono::milliseconds{ms}};
  } else if constexpr (std::is_enum_v<T>) {
    if (!from_string(caf::string_view{from.text.data(), from.text.size()}, to))
      detail::misread();
  } else if constexpr (std::is_same_v<T, bool>) {
    to = from.text != "0";
  } else {
    static_assert(std::is_integral_v<T>);
    auto* end = from.text.data() + from.text.size();
    auto [stop, wrong] = std::from_chars(from.text.data(), end, to);
    if (wrong != std::errc{} || stop != end)
      detail::misread();
  }
}

/// A tuple is a row by itself; a struct gives its columns, in order, by a function
/// `auto columns(X& x) { return std::tie(x.a, x.b); }` beside it.
template <class... T>
std::tuple<T&...> columns(std::tuple<T...>& x) {
  return std::apply([](auto&... one) { return std::tie(one...); }, x);
}

} // namespace troupe::store

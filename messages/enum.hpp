#pragma once
#include <caf/default_enum_inspect.hpp>
#include <caf/string_view.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

/// Gives the enum `Enum` (underlying std::uint8_t, enumerators 0, 1, 2, …) the functions CAF asks
/// for; `names` is a constexpr std::array of its names in order.
#define TROUPE_ENUM(Enum, names)                                                                   \
  inline std::string to_string(Enum x) {                                                           \
    return names.at(static_cast<std::size_t>(x));                                                  \
  }                                                                                                \
  inline bool from_integer(std::uint8_t raw, Enum& x) {                                            \
    return raw < names.size() ? (x = static_cast<Enum>(raw), true) : false;                        \
  }                                                                                                \
  inline bool from_string(caf::string_view name, Enum& x) {                                        \
    for (std::uint8_t i = 0; i < names.size(); ++i)                                                \
      if (name.compare(names[i]) == 0)                                                             \
        return from_integer(i, x);                                                                 \
    return false;                                                                                  \
  }                                                                                                \
  template <class Inspector>                                                                       \
  bool inspect(Inspector& f, Enum& x) {                                                            \
    return caf::default_enum_inspect(f, x);                                                        \
  }

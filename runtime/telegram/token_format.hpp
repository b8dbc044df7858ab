#pragma once
#include "runtime/telegram/token.hpp"

#include <fmt/format.h>

/// Formats a token with fmt and spdlog: masked, as everywhere.
template <>
struct fmt::formatter<troupe::telegram::bot_token> : fmt::formatter<std::string_view> {
  template <class Context>
  auto format(const troupe::telegram::bot_token& x, Context& ctx) const {
    return fmt::formatter<std::string_view>::format(x.masked(), ctx);
  }
};

#pragma once
#include "messages/call.hpp"
#include "messages/store.hpp"
#include "runtime/registry/update_services.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <string_view>

/// How a call ended, in a word, for metrics and for those who watch its bot.
namespace troupe {

/// Of a refusal: the error code's name.
[[nodiscard]] inline std::string_view refusal_label(const caf::error& why) noexcept {
  if (why == store_refusal::not_verified)
    return store_refusal_names[why.code()];
  if (why.category() != caf::type_id_v<ec> || why.code() >= ec_names.size())
    return "restarting";
  return ec_names[why.code()];
}

/// Of an exchange: "ok", "client_error", …, or where it broke.
[[nodiscard]] inline std::string_view outcome_label(const outcome& how) noexcept {
  if (how.what != failure::none)
    return failure_names[static_cast<std::size_t>(how.what)];
  return how.status == 429             ? "rate_limited"
         : is_server_fault(how.status) ? "server_error"
         : how.status >= 400           ? "client_error"
                                       : "ok";
}

/// Tells who watches the bot that a call is over.
/// @param method its name; empty: the Bot API has no such one
inline void note_call(update_services& to, bot_id bot, std::string_view method,
                      std::string_view how, double seconds) {
  to.events.publish(bot, "call", [&] {
    boost::json::object what{
      {"method", method.empty() ? "unknown" : method}, {"outcome", how}, {"seconds", seconds}};
    return boost::json::serialize(what);
  });
}

} // namespace troupe

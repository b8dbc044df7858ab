#include "runtime/registry/request_end.hpp"

#include "runtime/log/log.hpp"
#include "runtime/registry/token_hash.hpp"
#include "runtime/registry/until_known.hpp"

#include <charconv>

namespace troupe {

std::string print_of(std::string_view meaning) {
  auto print = siphash128({0x74726f757065, 0x6b657074}, meaning);
  char text[33];
  auto end = std::to_chars(text, text + 16, print.key, 16).ptr;
  *end++ = '-';
  end = std::to_chars(end, text + sizeof text, print.check, 16).ptr;
  return {text, end};
}

void tell_end(caf::actor_system& sys, std::function<store_actor()> store, idempotency_end what,
              std::function<void(caf::error)> told, request_end_pauses pauses) {
  auto end = [told = std::move(told)](const idempotency_end& what, caf::error why) {
    if (why)
      log::event(log::level::warning, "request.end-lost", "troupe.store-notes",
                 {{"bot", std::int64_t{what.bot}}, {"reason", caf::to_string(why)}},
                 "The end of a request with an Idempotency-Key could not be stored.");
    if (told)
      told(std::move(why));
  };
  detail::repetition how{pauses.first, pauses.longest, pauses.patience};
  detail::tell_until_known<done>(sys, std::move(store), std::move(what), how, std::move(end));
}

} // namespace troupe

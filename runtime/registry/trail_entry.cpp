#include "runtime/registry/trail_entry.hpp"

#include "runtime/log/log.hpp"
#include "runtime/registry/until_known.hpp"

namespace troupe {

void enter_in_trail(caf::actor_system& sys, std::function<store_actor()> store, audit_row what) {
  auto end = [](const audit_row& what, const caf::error& why) {
    if (why)
      log::event(log::level::error, "audit.entry-lost", "troupe.store-notes",
                 {{"action", what.action}, {"subject", what.subject}, {"outcome", what.outcome},
                  {"by", what.by.name}, {"reason", caf::to_string(why)}},
                 "An entry of the audit trail could not be stored.");
  };
  detail::repetition how{std::chrono::milliseconds{100}, std::chrono::seconds{10},
                         std::chrono::hours{1}};
  detail::tell_until_known<audit_row>(sys, std::move(store), std::move(what), how, end);
}

} // namespace troupe

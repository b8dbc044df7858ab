#include "runtime/registry/request_end.hpp"

#include "runtime/log/log.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>
#include <caf/stateful_actor.hpp>

#include <algorithm>

namespace troupe {
namespace {

bool is_worth_repeating(const caf::error& why) {
  return why.category() == caf::type_id_v<caf::sec> || why == store_refusal::unavailable
         || why == store_refusal::disk_full || why == store_refusal::outcome_unknown;
}

struct request_end_state {
  static inline const char* name = "troupe.request-end";

  request_end_state(caf::event_based_actor* self, std::function<store_actor()> store,
                    idempotency_end what, std::function<void(caf::error)> told,
                    request_end_pauses pauses)
    : self(self), store(std::move(store)), what(std::move(what)), told(std::move(told)),
      pauses(pauses), pause(pauses.first) {}

  caf::behavior make_behavior() {
    until = self->clock().now() + pauses.patience;
    attempt();
    return {[](caf::ok_atom) {}}; // It lives as long as it waits.
  }

  void attempt() {
    auto to = store();
    if (!to)
      return repeat(caf::make_error(store_refusal::unavailable));
    self->request(to, caf::infinite, what)
      .then([this](done) { end({}); },
            [this](caf::error& why) {
              // Stored by a try whose answer was lost: then there is nothing left to end.
              if (tries > 0 && why == store_refusal::not_found)
                return end({});
              is_worth_repeating(why) ? repeat(std::move(why)) : end(std::move(why));
            });
  }

  void repeat(caf::error why) {
    ++tries;
    if (self->clock().now() + pause > until)
      return end(std::move(why));
    self->run_delayed(pause, [this] { attempt(); });
    pause = std::min(pause * 2, pauses.longest);
  }

  void end(caf::error why) {
    if (why)
      log::event(log::level::warning, "request.end-lost", name,
                 {{"bot", std::int64_t{what.bot}}, {"reason", caf::to_string(why)}},
                 "The end of a request with an Idempotency-Key could not be stored.");
    if (told)
      std::exchange(told, nullptr)(std::move(why));
    self->quit();
  }

  caf::event_based_actor* self;
  std::function<store_actor()> store;
  idempotency_end what;
  std::function<void(caf::error)> told;
  request_end_pauses pauses;
  caf::timespan pause;
  std::size_t tries = 0;
  caf::actor_clock::time_point until;
};

} // namespace

void tell_end(caf::actor_system& sys, std::function<store_actor()> store, idempotency_end what,
              std::function<void(caf::error)> told, request_end_pauses pauses) {
  sys.spawn<caf::stateful_actor<request_end_state>, caf::hidden>(
    std::move(store), std::move(what), std::move(told), pauses);
}

} // namespace troupe

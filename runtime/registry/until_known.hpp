#pragma once
#include "messages/store.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>
#include <caf/stateful_actor.hpp>

#include <algorithm>
#include <functional>

/// Telling the store something until it knows. For the sources of this folder.
namespace troupe::detail {

inline bool is_worth_repeating(const caf::error& why) {
  return why.category() == caf::type_id_v<caf::sec> || why == store_refusal::unavailable
         || why == store_refusal::disk_full || why == store_refusal::outcome_unknown;
}

struct repetition {
  caf::timespan first;   ///< The first pause; doubles with each try, ...
  caf::timespan longest; ///< ... up to this.
  caf::timespan patience; ///< For all tries together.
};

/// Sends `what` again and again; `end` hears once how that ended.
template <class Request, class Answer>
struct until_known_state {
  static inline const char* name = "troupe.store-notes";

  using end_function = std::function<void(const Request&, caf::error)>;

  until_known_state(caf::event_based_actor* self, std::function<store_actor()> store, Request what,
                    repetition how, end_function end)
    : self(self), store(std::move(store)), what(std::move(what)), how(how), end(std::move(end)) {}

  caf::behavior make_behavior() {
    until = self->clock().now() + how.patience;
    attempt();
    return {[](caf::ok_atom) {}}; // It lives as long as it waits.
  }

  void attempt() {
    auto to = store();
    if (!to)
      return repeat(caf::make_error(store_refusal::unavailable));
    self->request(to, caf::infinite, what)
      .then([this](const Answer&) { finish({}); },
            [this](caf::error& why) {
              // Stored by a try whose answer was lost: then there is nothing left to end.
              if (tries > 0 && why == store_refusal::not_found)
                return finish({});
              is_worth_repeating(why) ? repeat(std::move(why)) : finish(std::move(why));
            });
  }

  void repeat(caf::error why) {
    ++tries;
    if (self->clock().now() + how.first > until)
      return finish(std::move(why));
    self->run_delayed(how.first, [this] { attempt(); });
    how.first = std::min(how.first * 2, how.longest);
  }

  void finish(caf::error why) {
    end(what, std::move(why));
    self->quit();
  }

  caf::event_based_actor* self;
  std::function<store_actor()> store;
  Request what;
  repetition how;
  end_function end;
  std::size_t tries = 0;
  caf::actor_clock::time_point until;
};

template <class Answer, class Request>
void tell_until_known(caf::actor_system& sys, std::function<store_actor()> store, Request what,
                      repetition how,
                      typename until_known_state<Request, Answer>::end_function end) {
  sys.spawn<caf::stateful_actor<until_known_state<Request, Answer>>, caf::hidden>(
    std::move(store), std::move(what), how, std::move(end));
}

} // namespace troupe::detail

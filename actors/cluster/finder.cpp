#include "actors/cluster/finder.hpp"

#include "messages/supervisor.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/settings.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

namespace troupe {
namespace {

/// Why a call to a bot that does not run would be refused.
caf::error refused_in(const directory::found& x, directory::clock::time_point now) {
  switch (x.phase) {
  case bot_phase::unauthorized:
    return caf::make_error(ec::unauthorized);
  case bot_phase::suspended:
    return caf::make_error(ec::suspended);
  case bot_phase::quarantined: {
    auto rest = std::max<caf::timespan>(x.until - now, std::chrono::milliseconds{1});
    return caf::make_error(ec::quarantined, refusal{rest});
  }
  default:
    return caf::make_error(ec::stopped); // It is being started: ask again.
  }
}

} // namespace

std::function<caf::result<bot_found>(caf::event_based_actor*, const bot_find&)>
make_finder(finder_ports ports) {
  return [x = std::move(ports)](caf::event_based_actor* self,
                                const bot_find& what) -> caf::result<bot_found> {
    const auto& view = *x.found->cluster;
    auto now = self->clock().now();
    if (!view.serves(what.bot, now) || !view.is_ready(shard_of(what.bot)))
      return caf::make_error(ec::draining);
    bot_found answer;
    auto token = std::make_shared<const std::string>(what.token.text);
    if (auto stands_in = x.virtuals->find(*token, x.now())) {
      auto own = x.vault->find(stands_in->bot);
      if (!own)
        return caf::make_error(ec::unknown_bot);
      answer.worker = stands_in->id;
      answer.methods = std::move(stands_in->methods);
      answer.own.text = *own;
      token = own;
    }
    auto hit = x.names->find(token_hash(x.token_key, *token), now);
    if (!hit)
      return caf::make_error(ec::unknown_bot);
    answer.bot = hit->bot;
    answer.tenant = hit->tenant;
    auto settings = x.found->updates ? x.found->updates->book.find(hit->bot) : nullptr;
    if (settings && settings->intake.mode != updates::intake_mode::none) {
      answer.receives = true;
      answer.named = settings->intake.allowed_updates.has_value();
      if (answer.named)
        answer.kinds = *settings->intake.allowed_updates;
    }
    if (hit->actor) {
      answer.actor = caf::actor_cast<caf::strong_actor_ptr>(hit->actor);
      return answer;
    }
    auto shard = x.found->bots_of(hit->home);
    if (!shard || (hit->phase != bot_phase::passive && hit->phase != bot_phase::passivating))
      return refused_in(*hit, now);
    auto promise = self->make_response_promise<bot_found>();
    self->request(shard, caf::infinite, activate_bot{hit->home, false})
      .then(
        [promise, answer](const caf::strong_actor_ptr& actor) mutable {
          answer.actor = actor;
          promise.deliver(std::move(answer));
        },
        [promise](caf::error& why) mutable {
          // It was forgotten with its shard since it was found.
          bool moved = why == ec::unknown_bot;
          promise.deliver(moved ? caf::make_error(ec::draining) : std::move(why));
        });
    return promise;
  };
}

} // namespace troupe

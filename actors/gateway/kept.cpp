#include "actors/gateway/connection.hpp"
#include "messages/store.hpp"
#include "runtime/registry/request_end.hpp"

#include <caf/actor_system.hpp>

/// Requests with an Idempotency-Key, as connections ask the store about them.
namespace troupe::gateway {

static_assert(static_cast<int>(kept_answer::verdict::outcome_unknown)
              == static_cast<int>(idempotency_what::outcome_unknown));

void connection_base::ask_begin(kept_key key, std::string body, caf::timespan patience) {
  idempotency_begin what{key.tenant, key.bot, key.text, std::move(body), patience};
  keeping_ = std::move(key);
  begun_ = sent_ = false;
  request(ctx_->ports.store(), what);
}

void connection_base::ask_finish(const kept_answer& x) {
  finishing_.emplace(idempotency_end{
    keeping_->tenant, keeping_->bot, keeping_->text, idempotency_end_kind::finish,
    {idempotency_what::finished, x.status, "application/json", x.body}});
  keeping_.reset();
  request(ctx_->ports.store(), *finishing_);
}

void connection_base::see_finished() {
  auto what = std::exchange(finishing_, std::nullopt);
  if (what && std::holds_alternative<caf::error>(*verdict_))
    tell_later(std::move(*what));
}

void connection_base::drop_key() noexcept {
  if (!keeping_)
    return;
  try {
    // Not begun: it may be another connection's that runs, and ends it all the same.
    auto how = sent_ || !begun_ ? idempotency_end_kind::lose : idempotency_end_kind::forget;
    tell_later({keeping_->tenant, keeping_->bot, keeping_->text, how, {}});
  } catch (...) {
    // No memory even for this: at the node's next start its outcome is unknown.
  }
  keeping_.reset();
}

bool connection_base::is_certain_end(std::uint16_t status) noexcept {
  return ending_of(status) == idempotency_end_kind::finish;
}

void connection_base::tell_later(idempotency_end what) {
  auto store = [get = ctx_->ports.store] { return caf::actor_cast<store_actor>(get()); };
  tell_end(ctx_->lane().system(), store, std::move(what));
}

} // namespace troupe::gateway

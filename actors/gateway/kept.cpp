#include "actors/gateway/connection.hpp"
#include "messages/store.hpp"

/// Requests with an Idempotency-Key, as connections ask the store about them.
namespace troupe::gateway {

static_assert(static_cast<int>(kept_answer::verdict::outcome_unknown)
              == static_cast<int>(idempotency_what::outcome_unknown));

void connection_base::ask_begin(kept_key key, std::string body, caf::timespan patience) {
  idempotency_begin what{key.tenant, key.bot, key.text, std::move(body), patience};
  keeping_ = std::move(key);
  sent_ = false;
  request(ctx_->ports.store(), what);
}

void connection_base::ask_finish(const kept_answer& x) {
  idempotency_end what{keeping_->tenant, keeping_->bot, keeping_->text,
                       idempotency_end_kind::finish,
                       {idempotency_what::finished, x.status, "application/json", x.body}};
  keeping_.reset();
  request(ctx_->ports.store(), what);
}

void connection_base::drop_key() noexcept {
  if (!keeping_)
    return;
  try {
    auto how = sent_ ? idempotency_end_kind::lose : idempotency_end_kind::forget;
    ctx_->lane().tell(ctx_->ports.store(),
                      idempotency_end{keeping_->tenant, keeping_->bot, keeping_->text, how, {}});
  } catch (...) {
    // No memory even for this: at the node's next start its outcome is unknown.
  }
  keeping_.reset();
}

} // namespace troupe::gateway

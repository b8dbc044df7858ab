#pragma once
#include "actors/gateway/kept.hpp"
#include "messages/call.hpp"
#include "messages/cluster.hpp"
#include "messages/registrar.hpp"
#include "messages/updates.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_config.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/monitorable_actor.hpp>

#include <cstdint>
#include <memory>
#include <variant>

namespace troupe::gateway {

struct context;

/// An answer: the grant, or why not; of the store, what it says of an Idempotency-Key; updates;
/// what became of a change of delivery. A default-made grant says no more than that it was done.
using verdict = std::variant<grant, caf::error, kept_answer, pull_answer, method_answer, bot_found>;

/// The address under which the connections of one lane send requests: what is sent back to it goes
/// straight to the connection that waits, without an actor between. Has no mailbox; on other
/// threads than the lane's an answer is posted to that. CAF's own pattern for event loops of others
/// (caf::actor_companion). Holds its context weakly.
class reply_port final : public caf::monitorable_actor {
public:
  reply_port(caf::actor_config& config, std::weak_ptr<context> owner);

  const char* name() const override { return "troupe.gateway.replies"; }
  void setup_metrics() noexcept {} ///< For caf::make_actor: there is no mailbox to measure.
  bool enqueue(caf::mailbox_element_ptr what, caf::execution_unit* host) override;

  /// Sends `what` to `dest` as the request `ticket`; the answer is told to the context's
  /// `resolve`. A dead `dest` answers too, with an error. On the lane's thread only.
  template <class Handle, class T>
  void request(const Handle& dest, std::uint64_t ticket, T&& what, caf::execution_unit* lane) {
    caf::actor_cast<caf::abstract_actor*>(dest)->enqueue(
      caf::make_mailbox_element(caf::strong_actor_ptr{ctrl()}, id_of(ticket), {},
                                std::forward<T>(what)),
      lane);
  }

  /// Sends `what` to `dest`, which may be another node's and is to know whose it is.
  template <class Handle, class T>
  void tell(const Handle& dest, T&& what, caf::execution_unit* lane) {
    caf::actor_cast<caf::abstract_actor*>(dest)->enqueue(
      caf::make_mailbox_element(caf::strong_actor_ptr{ctrl()}, caf::make_message_id(), {},
                                std::forward<T>(what)),
      lane);
  }

private:
  static caf::message_id id_of(std::uint64_t ticket) noexcept {
    return caf::message_id{caf::message_id::default_async_value | ticket};
  }

  std::weak_ptr<context> owner_;
  caf::execution_unit* lane_;
};

} // namespace troupe::gateway

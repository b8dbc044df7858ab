#include "actors/gateway/reply_port.hpp"

#include "actors/gateway/context.hpp"
#include "messages/store.hpp"

#include <boost/asio/post.hpp>

namespace troupe::gateway {
namespace {

verdict read(caf::message& content) {
  if (content.match_elements<grant>())
    return content.get_as<grant>(0);
  if (content.match_elements<caf::strong_actor_ptr>()) // A bot was started.
    return grant{};
  if (content.match_elements<idempotency_answer>()) {
    const auto& said = content.get_as<idempotency_answer>(0);
    return kept_answer{static_cast<kept_answer::verdict>(said.what), said.status, said.body};
  }
  if (content.match_elements<done>()) // It is kept.
    return grant{};
  if (content.match_elements<pull_answer>())
    return std::move(content.get_mutable_as<pull_answer>(0));
  if (content.match_elements<method_answer>())
    return std::move(content.get_mutable_as<method_answer>(0));
  if (content.match_elements<bot_found>())
    return std::move(content.get_mutable_as<bot_found>(0));
  if (content.match_elements<caf::error>())
    return content.get_as<caf::error>(0);
  return caf::make_error(caf::sec::unexpected_message);
}

} // namespace

reply_port::reply_port(caf::actor_config& config, std::weak_ptr<context> owner)
  : caf::monitorable_actor(config), owner_(std::move(owner)) {
  lane_ = &owner_.lock()->lane();
}

bool reply_port::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* host) {
  if (!what->mid.is_response())
    return false; // Nothing but answers comes here.
  auto ticket = what->mid.integer_value() & caf::message_id::request_id_mask;
  auto alive = owner_.lock();
  if (!alive)
    return false;
  if (host == lane_) {
    alive->resolve(ticket, read(what->content()));
    return true;
  }
  auto& executor = alive->lane().context();
  net::asio::post(executor, [owner = owner_, ticket, answer = read(what->content())]() mutable {
    if (auto still = owner.lock())
      still->resolve(ticket, std::move(answer));
  });
  return true;
}

} // namespace troupe::gateway

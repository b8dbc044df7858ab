#pragma once
#include "runtime/webhook/handler.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

namespace troupe {

/// Spawns the actor that owns the listener for updates: as long as it lives, they are received.
/// @throws std::runtime_error with a sentence for people when the address cannot be bound
caf::actor spawn_webhook_listener(caf::actor_system& sys, net::http_server_config config,
                                  webhook::settings how, webhook::ports ports);

/// Whether a request comes from Telegram's networks (core.telegram.org/bots/webhooks).
/// @param trusted Networks of proxies whose X-Forwarded-For is believed
[[nodiscard]] std::function<bool(const net::http_request&)>
telegram_sources(const std::string& trusted);

} // namespace troupe

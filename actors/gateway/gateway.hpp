#pragma once
#include "messages/gateway.hpp"
#include "runtime/net/lane.hpp"
#include "runtime/net/upstream.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/services.hpp"
#include "runtime/registry/token_vault.hpp"
#include "runtime/registry/virtual_tokens.hpp"

#include <boost/asio/ssl/context.hpp>

#include <caf/fwd.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <string>

namespace troupe {

struct gateway_config {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8081;            ///< 0: any free one; see `on_listening`.
  bool adopt = false;                   ///< Unknown tokens become bots, see contract.md.
  bool demo_faults = false;             ///< X-Troupe-Crash is obeyed.
  std::uint32_t max_head = 96 * 1024;   ///< Bytes of a request head.
  std::size_t replay_limit = 64 * 1024; ///< Body bytes held for retries and looked into.
  std::size_t max_connections = 20'000; ///< Over all lanes.
  std::chrono::milliseconds default_deadline{10'000};
  std::chrono::milliseconds header_timeout{
    10'000}; ///< From a head's first byte to its last, and between body bytes.
  std::chrono::milliseconds idle_timeout{75'000};    ///< Between two requests.
  std::chrono::milliseconds request_timeout{60'000}; ///< One exchange with the upstream.
  std::chrono::milliseconds poll_timeout{75'000};    ///< One long poll, at most.
};

/// How a finished call is counted: method index, outcome label, seconds in all, seconds waited.
using call_meter = std::function<void(std::uint16_t, std::string_view, double, double)>;

/// What a bot did: its number, method index, outcome label, seconds in all, chat (0: none), and
/// whether the bot is this node's: another node tells by itself who watches its bots.
using usage_meter =
  std::function<void(bot_id, std::uint16_t, std::string_view, double, std::int64_t, bool)>;

struct gateway_ports {
  net::lane* lane = nullptr;                        ///< Outlives the gateway.
  std::shared_ptr<net::upstream_sessions> sessions; ///< The lane's.
  std::shared_ptr<directory> bots;
  siphash_key token_key{};
  std::shared_ptr<services> found;
  std::shared_ptr<const virtual_tokens> virtuals;        ///< Null: there are none.
  std::shared_ptr<const token_vault> vault;              ///< What stands behind them.
  std::shared_ptr<boost::asio::ssl::context> tls;        ///< Null: plain HTTP.
  std::shared_ptr<std::atomic<std::size_t>> connections; ///< Open over all lanes; null: one lane.
  std::function<caf::strong_actor_ptr()> store; ///< Keeps answers; empty: Idempotency-Key is not
                                                ///< looked at.
  call_meter meter;
  usage_meter usage;
  std::function<void(std::uint16_t port)> on_listening; ///< Told the port once, on the lane.
};

/// Spawns the gateway of one lane; it listens with SO_REUSEPORT beside the others.
/// @throws boost::system::system_error when the address cannot be bound
gateway_actor spawn_gateway(caf::actor_system& sys, gateway_config config, gateway_ports ports);

} // namespace troupe

#pragma once
#include "actors/gateway/gateway.hpp"
#include "messages/bot.hpp"
#include "messages/supervisor.hpp"

#include <boost/asio/awaitable.hpp>

#include <atomic>
#include <memory>
#include <unordered_set>
#include <variant>

namespace troupe::gateway {

using net::asio::awaitable;
template <class T>
using task = awaitable<T, net::io_executor>;

class connection_base;

/// What a connection asks of its gateway actor, and what only connections may send it: a request
/// for `bot`, whose answer goes to `from`.
struct submission {
  std::weak_ptr<connection_base> from;
  std::uint64_t ticket = 0; ///< Told back with the answer, so that a late one is recognised.
  bot_actor bot;
  std::variant<call, attempt_failed> what;
};

/// The same for the start of a bot that nobody knew.
struct adoption {
  std::weak_ptr<connection_base> from;
  std::uint64_t ticket = 0;
  bots_actor supervisor;
  start_bot what;
};

/// An answer: the grant, or why not. A default-made grant answers an adoption.
using verdict = std::variant<grant, caf::error>;

} // namespace troupe::gateway

CAF_BEGIN_TYPE_ID_BLOCK(troupe_gateway_private, caf::first_custom_type_id + 650)
CAF_ADD_TYPE_ID(troupe_gateway_private, (troupe::gateway::submission))
CAF_ADD_TYPE_ID(troupe_gateway_private, (troupe::gateway::adoption))
CAF_END_TYPE_ID_BLOCK(troupe_gateway_private)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::submission)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::adoption)

namespace troupe::gateway {

/// The gateway's interface as its connections see it.
using gateway_impl =
  gateway_actor::extend<caf::result<void>(submission), caf::result<void>(adoption)>;

/// What the connections of one lane share. On the lane's thread only.
struct context : std::enable_shared_from_this<context> {
  context(gateway_config config, gateway_ports ports)
    : config(std::move(config)), ports(std::move(ports)), acceptor(this->ports.lane->executor()),
      sweeper(this->ports.lane->executor()) {}

  net::lane& lane() { return *ports.lane; }

  /// Accepts until the acceptor is closed.
  void start();
  /// No new connections; idle ones close, busy ones after their answer.
  void drain(bool close_listener);
  /// The actor is gone: everything ends, each connection reporting its lease first.
  void abandon();

  gateway_config config;
  gateway_ports ports;
  gateway_impl self; ///< Emptied when the actor is gone.
  net::tcp_acceptor acceptor;
  net::steady_timer sweeper;
  std::unordered_set<connection_base*> connections;
  bool draining = false;
  bool abandoned = false;
  std::atomic<std::uint32_t> open{0};  ///< Connections; this and the next three: any thread reads.
  std::atomic<std::uint32_t> calls{0}; ///< Under way.
  std::atomic<std::uint64_t> accepted_total{0};
  std::atomic<std::uint64_t> calls_total{0};
  std::uint64_t next_call = 0; ///< Incarnation in the upper bits.

private:
  task<void> accept();
  task<void> sweep();
};

/// Opens the listening socket. @throws boost::system::system_error
void listen(context& ctx);

} // namespace troupe::gateway

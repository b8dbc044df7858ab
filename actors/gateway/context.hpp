#pragma once
#include "actors/gateway/abroad.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/gateway/reply_port.hpp"
#include "runtime/net/awaited.hpp"

#include <atomic>
#include <memory>
#include <vector>

namespace troupe::gateway {

using net::task;

class connection_base;

/// Counts a call as under way while it lives. On the lane's thread only; any thread reads.
class call_mark {
public:
  explicit call_mark(std::atomic<std::uint32_t>& calls) noexcept : calls_(calls) { add(1); }
  ~call_mark() { add(~std::uint32_t{0}); }

  call_mark(const call_mark&) = delete;
  call_mark& operator=(const call_mark&) = delete;

private:
  void add(std::uint32_t n) noexcept { // One thread writes: no locked instruction.
    calls_.store(calls_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::atomic<std::uint32_t>& calls_;
};

/// What the connections of one lane share. On the lane's thread only.
struct context : std::enable_shared_from_this<context> {
  context(gateway_config config, gateway_ports ports);

  net::lane& lane() { return *ports.lane; }

  /// Accepts until the acceptor is closed.
  void start();
  /// No new connections; idle ones close, busy ones after their answer.
  void drain(bool close_listener);
  /// The actor is gone: everything ends, each connection reporting its lease first.
  void abandon();

  /// A connection begins, and ends. @returns its place
  std::uint32_t enter(connection_base& who);
  void leave(std::uint32_t place);

  /// Names the next request of the connection at `place`: its ticket.
  std::uint64_t next_ticket(std::uint32_t place) noexcept {
    return (++last_ticket_ & ticket_mask) << place_bits | place;
  }
  /// A request goes to an actor of another node.
  void sent_abroad(const caf::strong_actor_ptr& whom, std::uint64_t ticket);
  /// The answer to request `ticket`; late ones are recognised by their connection.
  void resolve(std::uint64_t ticket, verdict what);

  gateway_config config;
  gateway_ports ports;
  caf::strong_actor_ptr replies; ///< The reply_port; empty when the gateway actor is gone.
  std::unique_ptr<abroad> others; ///< Other nodes' bots; null for a node by itself.
  net::tcp_acceptor acceptor;
  net::steady_timer sweeper;
  std::vector<connection_base*> connections; ///< By place; null where one ended.
  bool draining = false;
  bool abandoned = false;
  std::atomic<std::uint32_t> open{0};  ///< Connections; this and the next three: any thread reads.
  std::atomic<std::uint32_t> calls{0}; ///< Under way.
  std::atomic<std::uint64_t> accepted_total{0};
  std::atomic<std::uint64_t> calls_total{0};
  std::uint64_t next_call = 0; ///< Incarnation in the upper bits.

private:
  static constexpr unsigned place_bits = 24; // More connections than one lane can have.
  static constexpr std::uint64_t ticket_mask = (std::uint64_t{1} << (60 - place_bits)) - 1;

  /// Does `what` to every connection; it may end the connection it is given.
  template <class F>
  void each(F what) {
    for (std::size_t i = 0; i < connections.size(); ++i)
      if (auto* x = connections[i])
        what(*x);
  }

  task<void> accept();
  task<void> sweep();

  std::vector<std::uint32_t> free_places_;
  std::uint64_t last_ticket_ = 0;
};

/// Opens the listening socket. @throws boost::system::system_error
void listen(context& ctx);

} // namespace troupe::gateway

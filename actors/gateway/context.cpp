#include "actors/gateway/context.hpp"

#include "actors/gateway/connection.hpp"

#include <boost/asio/ip/address.hpp>

#include <sys/socket.h>

#include <vector>

namespace troupe::gateway {
namespace {

namespace asio = net::asio;

/// How often deadlines are looked at; they are coarse, in exchange no request arms a timer.
constexpr auto sweep_period = std::chrono::milliseconds{50};

/// So many beyond the limit are answered with 503.
constexpr std::size_t surplus_connections = 256;

} // namespace

void listen(context& ctx) {
  asio::ip::tcp::endpoint where{asio::ip::make_address(ctx.config.address), ctx.config.port};
  ctx.acceptor.open(where.protocol());
  ctx.acceptor.set_option(asio::socket_base::reuse_address{true});
  int on = 1;
  if (::setsockopt(ctx.acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
    throw boost::system::system_error{errno, boost::system::system_category(), "SO_REUSEPORT"};
  ctx.acceptor.bind(where);
  ctx.acceptor.listen(4096);
}

context::context(gateway_config given, gateway_ports with)
  : config(std::move(given)), ports(std::move(with)), acceptor(ports.lane->executor()),
    sweeper(ports.lane->executor()) {
  if (!ports.found || !ports.found->cluster)
    return;
  others = std::make_unique<abroad>(ports.sessions);
  others->ended = [this](const std::vector<std::uint64_t>& tickets) {
    for (auto ticket : tickets)
      resolve(ticket, caf::make_error(caf::sec::request_receiver_down));
  };
}

void context::start() {
  net::spawn(accept(), ended);
  net::spawn(sweep(), ended);
  if (ports.on_listening)
    ports.on_listening(acceptor.local_endpoint().port());
}

task<void> context::accept() {
  auto alive = shared_from_this();
  while (acceptor.is_open()) {
    net::tcp_socket socket{lane().executor()};
    auto [ec, none] = co_await net::awaited{
      [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); }};
    if (ec == asio::error::operation_aborted || !acceptor.is_open())
      co_return;
    if (ec) { // Out of descriptors, most likely: let some go first.
      net::steady_timer pause{lane().executor(), std::chrono::milliseconds{20}};
      co_await net::awaited{[&](auto handler) { pause.async_wait(std::move(handler)); }};
      continue;
    }
    ++accepted_total;
    // A few more than there may be learn why they are sent away; the rest are closed at once.
    if (*ports.connections >= config.max_connections + surplus_connections)
      continue;
    boost::system::error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
    if (ports.tls)
      run_secure(alive, std::move(socket));
    else
      run_plain(alive, std::move(socket));
  }
}

task<void> context::sweep() {
  auto alive = shared_from_this();
  // If the lane ends first, what waits for an actor's answer is owned by nothing but itself.
  struct undertaker {
    context& of;
    ~undertaker() {
      of.each([](connection_base& x) { x.drop_waiter(); });
    }
  } at_the_end{*this};
  while (!abandoned || open > 0) {
    sweeper.expires_after(sweep_period);
    co_await net::awaited{[&](auto handler) { sweeper.async_wait(std::move(handler)); }};
    auto now = clock::now();
    each([now](connection_base& x) { x.sweep(now); });
    if (others)
      others->sweep(now);
  }
}

void context::drain(bool close_listener) {
  draining = true;
  boost::system::error_code ignored;
  if (close_listener)
    acceptor.close(ignored);
  each([](connection_base& x) {
    x.close_if_idle();
    x.end_poll();
  });
}

void context::abandon() {
  abandoned = true;
  draining = true;
  replies = nullptr;
  boost::system::error_code ignored;
  acceptor.close(ignored);
  each([](connection_base& x) { x.abort(); });
}

std::uint32_t context::enter(connection_base& who) {
  ++open;
  if (free_places_.empty()) {
    connections.push_back(&who);
    return static_cast<std::uint32_t>(connections.size() - 1);
  }
  auto place = free_places_.back();
  free_places_.pop_back();
  connections[place] = &who;
  return place;
}

void context::leave(std::uint32_t place) {
  --open;
  connections[place] = nullptr;
  free_places_.push_back(place);
}

void context::sent_abroad(const caf::strong_actor_ptr& whom, std::uint64_t ticket) {
  others->sent(whom, ticket, [weak = weak_from_this()](std::function<void()> what) {
    if (auto self = weak.lock())
      asio::post(self->lane().executor(), [self, what = std::move(what)] { what(); });
  });
}

void context::resolve(std::uint64_t ticket, verdict what) {
  if (others)
    others->answered(ticket);
  auto place = ticket & ((std::uint64_t{1} << place_bits) - 1);
  if (place < connections.size() && connections[place])
    connections[place]->resolve(ticket, std::move(what));
}

} // namespace troupe::gateway

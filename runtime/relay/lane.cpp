#include "runtime/relay/lane.hpp"

#include "runtime/net/reopen.hpp"
#include "runtime/relay/address_guard.hpp"
#include "runtime/relay/talk.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace troupe::relay {
namespace {

constexpr asio::use_awaitable_t<net::io_executor> awaited_connect{};

/// For one address, when there are others.
constexpr std::chrono::seconds connect_share{5};

/// The network that forbids an address; empty: it may be connected to.
std::string_view forbidden(const asio::ip::address& address) {
  if (address.is_v4()) {
    auto bytes = address.to_v4().to_bytes();
    return special_network(bytes);
  }
  auto bytes = address.to_v6().to_bytes();
  return special_network(bytes);
}

/// Aborts a connection at a time, unless it goes before.
class watchdog {
public:
  watchdog(net::io_executor ex, connection& on, clock::time_point at)
    : alive_(std::make_shared<bool>(true)), timer_(ex, at) {
    timer_.async_wait([alive = alive_, &on](error_code cancelled) {
      if (!cancelled && *alive)
        on.abort();
    });
  }
  ~watchdog() { *alive_ = false; }
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

private:
  std::shared_ptr<bool> alive_;
  net::steady_timer timer_;
};

} // namespace

void lane::begin(std::shared_ptr<exchange> x) {
  x->result.how = relay_end::not_sent;
  active_[x->what.id] = x;
  auto ended = [me = shared_from_this(), x](const std::exception_ptr& failed) {
    me->active_.erase(x->what.id);
    if (failed) {
      x->result = relay_result{};
      x->result.how = relay_end::broken;
      x->result.reason = "the exchange failed";
    }
    x->result.took = clock::now() - x->began;
    x->then(std::move(x->result));
  };
  asio::co_spawn(ex_, run(x), std::move(ended));
}

void lane::abandon(std::uint64_t id) {
  auto found = active_.find(id);
  if (found == active_.end())
    return;
  found->second->gone = true;
  if (found->second->on)
    found->second->on->abort();
}

void lane::close_all() {
  idle_.clear();
  for (auto& [id, x] : active_) {
    x->gone = true;
    if (x->on)
      x->on->abort();
  }
}

lane::step lane::run(std::shared_ptr<exchange> x) {
  auto me = shared_from_this();
  net::steady_timer timer{ex_, x->deadline};
  std::weak_ptr<exchange> weak = x;
  timer.async_wait([weak](error_code cancelled) {
    auto held = weak.lock();
    if (cancelled || !held)
      return;
    held->late = true;
    if (held->on)
      held->on->abort();
  });
  bool again = false;
  co_await attempt(*x, false, again);
  // At least once: a server that closed a kept connection at this moment has most likely not read.
  if (again && !x->over())
    co_await attempt(*x, true, again);
  bool ended = x->result.how == relay_end::answered || x->result.how == relay_end::forbidden;
  if (ended)
    co_return;
  if (x->late) {
    // Until it is connected, nothing was sent.
    if (x->result.how == relay_end::broken)
      x->result.how = relay_end::timeout;
    x->result.reason =
      x->result.how == relay_end::timeout ? "no answer in time" : "no connection in time";
  } else if (x->gone) {
    x->result.reason = "given up";
  }
}

lane::step lane::attempt(exchange& x, bool fresh, bool& again) {
  again = false;
  const auto& where = x.what.to.where;
  host to{where.tls, where.host, where.port};
  std::unique_ptr<connection> held;
  if (!fresh)
    held = take_idle(to);
  bool kept = held != nullptr;
  if (!held) {
    x.result = relay_result{};
    x.result.how = relay_end::not_sent;
    held = co_await connect(x);
  }
  if (!held || x.over())
    co_return;
  x.on = held.get();
  talked how;
  co_await talk(*held, x, how);
  x.on = nullptr;
  again = kept && how.untouched;
  if (how.reusable && !x.over())
    keep(to, std::move(held));
}

asio::awaitable<std::unique_ptr<connection>, net::io_executor> lane::connect(exchange& x) {
  const auto& where = x.what.to.where;
  bool any_address = shared_->allow_private.load(std::memory_order_relaxed);
  std::unique_ptr<connection> made;
  if (!where.tls && !any_address) {
    x.result.how = relay_end::forbidden;
    x.result.reason = "the URL must begin with https://";
    co_return made;
  }
  error_code ec;
  auto found = co_await shared_->dns->resolve(where.host, ex_, x.deadline, ec);
  if (ec || x.over()) {
    x.result.reason = "the host's name has no address";
    co_return made;
  }
  net::dns_cache::address_list list = *found;
  std::string_view refused;
  if (!any_address)
    std::erase_if(list, [&refused](const auto& address) {
      auto network = forbidden(address);
      refused = network.empty() ? refused : network;
      return !network.empty();
    });
  if (list.empty()) {
    x.result.how = relay_end::forbidden;
    x.result.reason =
      "the URL leads to an address that may not be used (" + std::string{refused} + ")";
    co_return made;
  }
  make_room();
  made = std::make_unique<connection>(ex_, shared_->open);
  x.on = made.get();
  co_await reach(x, *made, list);
  if (x.result.reason.empty() && where.tls)
    co_await handshake(x, *made);
  x.on = nullptr;
  if (!x.result.reason.empty())
    made.reset();
  co_return made;
}

/// Leaves `x.result.reason` empty when it is connected.
lane::step lane::reach(exchange& x, connection& made, const net::dns_cache::address_list& where) {
  auto port = static_cast<std::uint16_t>(std::stoul(x.what.to.where.port));
  error_code ec = asio::error::host_not_found;
  for (std::size_t i = 0; i < where.size() && !x.over(); ++i) {
    asio::ip::tcp::endpoint peer{where[i], port};
    auto& socket = made.socket();
    ec = net::reopen(socket, peer);
    if (ec)
      continue;
    // A silent address must not use up the time of the others.
    bool last = i + 1 == where.size();
    watchdog dog{ex_, made, last ? x.deadline : std::min(x.deadline, clock::now() + connect_share)};
    co_await socket.async_connect(peer, asio::redirect_error(awaited_connect, ec));
    if (!ec && socket.is_open())
      co_return;
  }
  x.result.reason = ec == asio::error::operation_aborted ? "no connection in time"
                    : ec                                 ? ec.message()
                                                         : "the connection was closed";
}

lane::step lane::handshake(exchange& x, connection& made) {
  error_code ec;
  made.wrap(tls_, x.what.to.where.host, ec);
  if (!ec)
    co_await made.secure().async_handshake(net::tls_stream::client,
                                           asio::redirect_error(awaited_connect, ec));
  if (!ec)
    co_return;
  auto refusal = made.refusal();
  x.result.reason = refusal.empty() ? "the TLS handshake failed" : "TLS: " + refusal;
}

std::unique_ptr<connection> lane::take_idle(const host& to) {
  auto oldest =
    clock::now() - std::chrono::milliseconds{shared_->idle_ms.load(std::memory_order_relaxed)};
  // The newest first: the others may go.
  for (auto i = idle_.size(); i-- > 0;) {
    if (idle_[i].to != to)
      continue;
    auto held = std::move(idle_[i].held);
    idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
    if (held->idle_since >= oldest && held->silent())
      return held;
  }
  return nullptr;
}

void lane::keep(const host& to, std::unique_ptr<connection> held) {
  held->idle_since = clock::now();
  idle_.push_back({to, std::move(held)});
  if (!sweeping_)
    sweep();
}

/// So that what is open stays within its limit: idle connections go first.
void lane::make_room() {
  while (!idle_.empty()
         && shared_->open->load(std::memory_order_relaxed)
              >= shared_->max_open.load(std::memory_order_relaxed))
    idle_.pop_front();
}

void lane::sweep() {
  auto timeout = std::chrono::milliseconds{shared_->idle_ms.load(std::memory_order_relaxed)};
  auto now = clock::now();
  while (!idle_.empty() && idle_.front().held->idle_since + timeout <= now)
    idle_.pop_front();
  sweeping_ = !idle_.empty();
  if (!sweeping_)
    return;
  sweeper_.expires_at(idle_.front().held->idle_since + timeout);
  sweeper_.async_wait([weak = weak_from_this()](error_code cancelled) {
    auto me = weak.lock();
    if (!cancelled && me)
      me->sweep();
  });
}

} // namespace troupe::relay

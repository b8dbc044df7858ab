#include "runtime/net/http_server.hpp"

#include "runtime/net/http_server_session.hpp"
#include "runtime/net/tls_server.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>
#include <stdexcept>
#include <thread>

namespace troupe::net {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using acceptor_type = asio::basic_socket_acceptor<asio::ip::tcp, http_executor>;
using timer_type =
  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, http_executor>;
using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr std::chrono::milliseconds sweep_interval{100};

// One thread: a listener, its connections, and a sweep over them.
struct worker {
  http_shard shard; // Outlives the sessions, which live in `io`.
  std::unique_ptr<asio::io_context> io = std::make_unique<asio::io_context>(1);
  std::optional<acceptor_type> acceptor;
  std::optional<timer_type> timer;
  asio::ssl::context* tls = nullptr;
  std::vector<pollfd> polled;
  std::vector<http_session*> polled_sessions;
  std::thread thread;

  ~worker() {
    acceptor.reset();
    timer.reset();
    io.reset(); // Destroys the coroutines, and so the sessions.
  }

  http_task<void> accept_loop();
  http_task<void> sweep_loop();
  void serve(http_socket socket);
  void sweep();
  void notice_disconnects();
};

// What a client sees of a spoilt handshake: a fatal alert (handshake_failure).
void spoil(http_socket& socket) {
  static constexpr unsigned char alert[] = {0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28};
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(alert), 0, ignored);
  socket.close(ignored);
}

void worker::serve(http_socket socket) {
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (shard.open.load() >= shard.config->max_connections / shard.config->threads + 1)
    return;
  if (shard.config->accept_filter && !shard.config->accept_filter()) {
    spoil(socket);
    return;
  }
  auto session = tls ? make_http_session(shard, std::move(socket), *tls)
                     : make_http_session(shard, std::move(socket));
  // The session answers for its errors itself; what is left to throw is no memory.
  spawn(session->run(), [](const std::exception_ptr&) {});
}

http_task<void> worker::accept_loop() {
  for (;;) {
    error_code ec;
    auto socket = co_await acceptor->async_accept(asio::redirect_error(use_http_task, ec));
    if (!acceptor->is_open())
      co_return;
    if (!ec) {
      serve(std::move(socket));
      continue;
    }
    // Out of descriptors, most likely: a pause lets connections end.
    timer_type pause{io->get_executor(), sweep_interval};
    co_await pause.async_wait(asio::redirect_error(use_http_task, ec));
  }
}

http_task<void> worker::sweep_loop() {
  for (;;) {
    timer->expires_after(sweep_interval);
    error_code ec;
    co_await timer->async_wait(asio::redirect_error(use_http_task, ec));
    if (ec)
      co_return;
    sweep();
  }
}

void worker::sweep() {
  auto now = std::chrono::steady_clock::now();
  for (auto* session : shard.sessions)
    if (session->late(now))
      session->abort();
  notice_disconnects();
}

// Handlers that wait are told when their client has closed: one system call for all of them.
void worker::notice_disconnects() {
  polled.clear();
  polled_sessions.clear();
  for (auto* session : shard.sessions)
    if (session->waiting() && session->socket().is_open()) {
      polled.push_back({session->socket().native_handle(), POLLRDHUP, 0});
      polled_sessions.push_back(session);
    }
  if (polled.empty() || ::poll(polled.data(), polled.size(), 0) <= 0)
    return;
  for (std::size_t i = 0; i < polled.size(); ++i)
    if (polled[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) {
      auto keep_alive = polled_sessions[i]->shared_from_this();
      keep_alive->client_gone();
    }
}

acceptor_type bind(asio::io_context& io, const asio::ip::tcp::endpoint& where, bool shared) {
  acceptor_type acceptor{io.get_executor()};
  error_code ec;
  acceptor.open(where.protocol(), ec);
  if (!ec)
    acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec && shared)
    acceptor.set_option(reuse_port(true), ec);
  if (!ec)
    acceptor.bind(where, ec);
  if (!ec)
    acceptor.listen(4096, ec);
  if (ec)
    throw std::runtime_error("cannot listen on " + where.address().to_string() + ":"
                             + std::to_string(where.port()) + ": " + ec.message());
  return acceptor;
}

} // namespace

struct http_server::impl {
  http_server_config config;
  http_handler handler;
  std::unique_ptr<asio::ssl::context> tls;
  std::vector<std::unique_ptr<worker>> workers;
  std::uint16_t port = 0;
  bool running = false;

  void bind_all() {
    error_code ec;
    auto address = asio::ip::make_address(config.address, ec);
    if (ec)
      throw std::runtime_error("not an IP address: " + config.address);
    asio::ip::tcp::endpoint where{address, config.port};
    {
      // Without SO_REUSEPORT first: a second server must not silently share the port of another.
      asio::io_context probe;
      port = bind(probe, where, false).local_endpoint().port();
    }
    where.port(port);
    for (auto& x : workers)
      x->acceptor.emplace(bind(*x->io, where, true));
  }

  void make_workers() {
    for (unsigned i = 0; i < config.threads; ++i) {
      auto x = std::make_unique<worker>();
      x->shard.config = &config;
      x->shard.handler = &handler;
      x->shard.io = x->io.get();
      x->shard.index = i;
      x->tls = tls.get();
      x->timer.emplace(x->io->get_executor());
      workers.push_back(std::move(x));
    }
  }

  template <class F>
  void on_all(F f) {
    std::vector<std::future<void>> done;
    for (auto& x : workers) {
      auto task = std::make_shared<std::packaged_task<void()>>([&f, w = x.get()] { f(*w); });
      done.push_back(task->get_future());
      asio::post(*x->io, [task] { (*task)(); });
    }
    for (auto& x : done)
      x.wait();
  }

  [[nodiscard]] std::uint64_t open() const {
    std::uint64_t result = 0;
    for (auto& x : workers)
      result += x->shard.open.load(std::memory_order_relaxed);
    return result;
  }
};

http_server::http_server(http_server_config config, http_handler handler)
  : impl_(std::make_unique<impl>()) {
  impl_->config = std::move(config);
  impl_->config.threads = std::max(impl_->config.threads, 1u);
  impl_->handler = std::move(handler);
}

http_server::~http_server() {
  stop();
}

void http_server::start() {
  impl_->tls = make_server_tls(impl_->config.tls_cert, impl_->config.tls_key);
  impl_->make_workers();
  impl_->bind_all();
  for (auto& x : impl_->workers) {
    asio::co_spawn(x->io->get_executor(), x->accept_loop(), asio::detached);
    asio::co_spawn(x->io->get_executor(), x->sweep_loop(), asio::detached);
    x->thread = std::thread{[io = x->io.get()] { io->run(); }};
  }
  impl_->running = true;
}

void http_server::stop(std::chrono::milliseconds grace) {
  if (!impl_->running)
    return;
  impl_->running = false;
  impl_->on_all([](worker& w) {
    w.shard.stopping = true;
    error_code ignored;
    w.acceptor->close(ignored);
    for (auto* session : w.shard.sessions)
      session->finish();
  });
  auto deadline = std::chrono::steady_clock::now() + grace;
  while (impl_->open() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  for (auto& x : impl_->workers)
    x->io->stop();
  for (auto& x : impl_->workers)
    x->thread.join();
  impl_->workers.clear();
}

std::uint16_t http_server::port() const noexcept {
  return impl_->port;
}

http_server_counts http_server::counts() const noexcept {
  http_server_counts result;
  for (auto& x : impl_->workers) {
    result.opened += x->shard.opened.load(std::memory_order_relaxed);
    result.open += x->shard.open.load(std::memory_order_relaxed);
    result.requests += x->shard.requests.load(std::memory_order_relaxed);
  }
  return result;
}

} // namespace troupe::net

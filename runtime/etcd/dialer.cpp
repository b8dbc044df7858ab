#include "runtime/etcd/dialer.hpp"

#include "runtime/net/reopen.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>

namespace troupe::etcd {
namespace {

constexpr asio::use_awaitable_t<net::io_executor> awaited_dial{};

} // namespace

void alarm::set(clock::time_point deadline) {
  what_->deadline = deadline;
  timer_.expires_at(deadline);
  timer_.async_wait([weak = std::weak_ptr<errand>{what_}](error_code cancelled) {
    auto what = weak.lock();
    if (!cancelled && what && clock::now() >= what->deadline)
      what->end();
  });
}

dialer::dialer(net::io_executor ex, std::shared_ptr<net::dns_cache> dns,
               const client_options& options)
  : ex_(ex), dns_(std::move(dns)), ca_file_(options.ca_file),
    certificate_file_(options.certificate_file), key_file_(options.key_file) {
  if (certificate_file_.empty() != key_file_.empty())
    throw std::invalid_argument("a client certificate needs its key, and a key its certificate");
  try {
    (void)tls_context();
  } catch (const boost::system::system_error& e) {
    throw std::invalid_argument(std::string{"certificates or key cannot be used: "}
                                + e.code().message());
  }
}

asio::ssl::context dialer::tls_context() const {
  auto result = net::make_client_context(ca_file_);
  if (!certificate_file_.empty()) {
    result.use_certificate_chain_file(certificate_file_);
    result.use_private_key_file(key_file_, asio::ssl::context::pem);
  }
  return result;
}

void dialer::wrap(net::client_connection& made, const std::string& host, error_code& ec) const try {
  auto context = tls_context();
  made.wrap(context, host, ec);
} catch (const boost::system::system_error& e) {
  ec = e.code(); // A renewed file is no certificate.
}

step<std::unique_ptr<net::client_connection>> dialer::dial(errand& by, const net::target& where,
                                                           std::string& reason) {
  auto made = std::make_unique<net::client_connection>(ex_, open_);
  co_await reach(by, *made, where, reason);
  if (reason.empty() && where.tls) {
    by.on = made.get();
    error_code ec;
    wrap(*made, where.host, ec);
    if (!ec)
      co_await made->secure().async_handshake(net::tls_stream::client,
                                              asio::redirect_error(awaited_dial, ec));
    by.on = nullptr;
    auto refusal = made->tls() ? made->refusal() : std::string{};
    if (ec && !refusal.empty())
      reason = "TLS: " + refusal;
    else if (ec)
      reason = by.over ? "no TLS handshake in time" : "TLS: " + ec.message();
  }
  if (reason.empty() && by.over)
    reason = "no connection in time";
  if (!reason.empty())
    made.reset();
  co_return made;
}

step<void> dialer::reach(errand& by, net::client_connection& made, const net::target& where,
                         std::string& reason) {
  error_code ec;
  auto found = co_await dns_->resolve(where.host, ex_, by.deadline, ec);
  if (ec || by.over) {
    reason = "the host's name has no address";
    co_return;
  }
  auto port = static_cast<std::uint16_t>(std::stoul(where.port));
  net::dns_cache::address_list addresses = *found;
  by.on = &made;
  ec = asio::error::host_not_found;
  for (std::size_t i = 0; i < addresses.size() && !by.over; ++i) {
    asio::ip::tcp::endpoint peer{addresses[i], port};
    auto& socket = made.socket();
    ec = net::reopen(socket, peer);
    if (ec)
      continue;
    co_await socket.async_connect(peer, asio::redirect_error(awaited_dial, ec));
    if (!ec)
      break;
  }
  by.on = nullptr;
  if (ec)
    reason = by.over ? "no connection in time" : ec.message();
}

} // namespace troupe::etcd

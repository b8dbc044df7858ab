#include "tests/integration/client.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <thread>

namespace troupe::integration {

namespace asio = boost::asio;
using boost::system::error_code;
using clock = std::chrono::steady_clock;

namespace {

boost::json::value parsed(const std::string& body) {
  error_code ec;
  auto result = boost::json::parse({body.data(), body.size()}, ec);
  return ec ? boost::json::value{} : result;
}

std::string header(const reply& x, const char* name) {
  auto found = x.headers.find(name);
  return found == x.headers.end() ? std::string{} : found->second;
}

void read_fields(reply& x) {
  for (std::size_t at = x.head.find("\r\n") + 2; at < x.head.size();) {
    auto end = x.head.find("\r\n", at);
    auto line = x.head.substr(at, end - at);
    auto colon = std::min(line.find(':'), line.size());
    auto name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    x.headers[name] = line.substr(std::min(colon + 2, line.size()));
    at = end + 2;
  }
}

} // namespace

long reply::attempts() const {
  auto text = header(*this, "x-troupe-attempts");
  return text.empty() ? -1 : std::stol(text);
}

double reply::waited() const {
  auto text = header(*this, "x-troupe-waited");
  return text.empty() ? -1 : std::stod(text);
}

bool reply::is_api_error(int code) const {
  auto value = parsed(body);
  if (status != code || !value.is_object())
    return false;
  auto& fields = value.get_object();
  auto* ok = fields.if_contains("ok");
  auto* number = fields.if_contains("error_code");
  auto* words = fields.if_contains("description");
  return ok && ok->is_bool() && !ok->get_bool() && number && number->is_int64()
         && number->get_int64() == code && words && words->is_string()
         && !words->get_string().empty();
}

long reply::retry_after() const {
  auto found = text("parameters/retry_after");
  return found.empty() ? 0 : std::stol(found);
}

std::string reply::text(std::string_view path) const {
  auto all = parsed(body);
  auto* at = &all;
  while (!path.empty()) {
    auto end = std::min(path.find('/'), path.size());
    auto* fields = at->if_object();
    at = fields ? fields->if_contains({path.data(), end}) : nullptr;
    if (!at)
      return {};
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  if (auto* words = at->if_string())
    return {words->data(), words->size()};
  return at->is_int64() ? std::to_string(at->get_int64()) : std::string{};
}

struct client::impl {
  using tls_stream = asio::ssl::stream<asio::ip::tcp::socket&>;

  impl(std::uint16_t number, const std::string& ca_file) : port(number) {
    if (ca_file.empty())
      return;
    context.emplace(asio::ssl::context::tls_client);
    context->load_verify_file(ca_file);
    context->set_verify_mode(asio::ssl::verify_peer);
  }

  bool connect() {
    if (socket.is_open())
      return true;
    buffered.clear();
    tls.reset();
    error_code ec;
    socket.connect({asio::ip::address_v4::loopback(), port}, ec);
    if (!ec)
      socket.set_option(asio::ip::tcp::no_delay(true), ec);
    if (!ec && context) {
      tls.emplace(socket, *context);
      tls->handshake(asio::ssl::stream_base::client, ec);
    }
    if (ec)
      close();
    return !ec;
  }

  void close() {
    error_code ignored;
    tls.reset();
    socket.close(ignored);
  }

  enum class filled : std::uint8_t { more, ended, late };

  filled fill(clock::time_point deadline) {
    if (!socket.is_open())
      return filled::ended;
    // Reads before it waits: the TLS layer may hold bytes that the socket no longer shows.
    char piece[65536];
    for (;;) {
      error_code ec;
      socket.non_blocking(true, ec);
      auto n =
        tls ? tls->read_some(asio::buffer(piece), ec) : socket.read_some(asio::buffer(piece), ec);
      if (!ec || ec != asio::error::would_block) {
        error_code ignored;
        socket.non_blocking(false, ignored);
        buffered.append(piece, n);
        return ec ? filled::ended : filled::more;
      }
      socket.non_blocking(false, ec);
      auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
      pollfd readable{socket.native_handle(), POLLIN, 0};
      if (::poll(&readable, 1, static_cast<int>(std::max<long>(left, 0))) <= 0)
        return filled::late;
    }
  }

  /// Makes sure that `buffered` holds `n` bytes.
  bool need(std::size_t n, clock::time_point deadline) {
    while (buffered.size() < n)
      if (fill(deadline) != filled::more)
        return false;
    return true;
  }

  /// Sends a close_notify, if this is TLS, without waiting for the other side's.
  void say_bye() {
    if (!tls)
      return;
    tls->async_shutdown([](const error_code&) {});
    io.restart();
    io.poll();
    error_code ignored;
    socket.cancel(ignored);
    io.restart();
    io.poll();
  }

  std::string take(std::size_t n) {
    auto result = buffered.substr(0, n);
    buffered.erase(0, n);
    return result;
  }

  bool read_chunks(reply& x, clock::time_point deadline) {
    for (;;) {
      std::size_t end = 0;
      while ((end = buffered.find("\r\n")) == std::string::npos)
        if (fill(deadline) != filled::more)
          return false;
      auto size = std::stoul(take(end + 2), nullptr, 16);
      if (!need(size + 2, deadline))
        return false;
      x.body += take(size);
      take(2);
      if (size == 0)
        return true;
    }
  }

  std::uint16_t port;
  asio::io_context io;
  std::optional<asio::ssl::context> context;
  asio::ip::tcp::socket socket{io};
  std::optional<tls_stream> tls;
  std::string buffered;
};

client::client(std::uint16_t port, std::string ca_file)
  : impl_(std::make_unique<impl>(port, ca_file)) {
  // nop
}

client::~client() = default;
client::client(client&&) noexcept = default;

bool client::connect() {
  return impl_->connect();
}

bool client::send(std::string_view bytes) {
  if (!impl_->connect())
    return false;
  error_code ec;
  if (impl_->tls)
    asio::write(*impl_->tls, asio::buffer(bytes), ec);
  else
    asio::write(impl_->socket, asio::buffer(bytes), ec);
  return !ec;
}

reply client::receive(std::chrono::milliseconds within, bool head_only) {
  auto& me = *impl_;
  auto deadline = clock::now() + within;
  reply result;
  do {
    result.interim += result.status != 0;
    std::size_t end = 0;
    while ((end = me.buffered.find("\r\n\r\n")) == std::string::npos)
      if (auto how = me.fill(deadline); how != impl::filled::more) {
        result.status = 0;
        result.late = how == impl::filled::late;
        if (!result.late)
          close();
        return result;
      }
    result.head = me.take(end + 2);
    me.take(2);
    result.status = std::stoi(result.head.substr(9, 3));
  } while (result.status < 200);
  read_fields(result);
  bool chunked = header(result, "transfer-encoding") == "chunked";
  auto length = header(result, "content-length");
  if (head_only) {
    result.whole = true;
  } else if (chunked) {
    result.whole = me.read_chunks(result, deadline);
  } else if (!length.empty()) {
    auto n = std::stoul(length);
    result.whole = me.need(n, deadline);
    result.body = me.take(n);
  } else {
    auto how = impl::filled::more;
    while ((how = me.fill(deadline)) == impl::filled::more)
      continue;
    result.whole = how == impl::filled::ended;
    result.body = me.take(me.buffered.size());
  }
  if (!result.whole || header(result, "connection") == "close")
    close();
  return result;
}

reply client::get(std::string_view target, std::string_view fields) {
  send("GET " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n" + std::string{fields} + "\r\n");
  return receive();
}

reply client::post(std::string_view target, std::string_view body, std::string_view type,
                   std::string_view fields) {
  send("POST " + std::string{target} + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + std::string{type}
       + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string{fields}
       + "\r\n" + std::string{body});
  return receive();
}

bool client::ended(std::chrono::milliseconds within) {
  auto deadline = clock::now() + within;
  for (;;) {
    auto how = impl_->fill(deadline);
    if (how != impl::filled::more)
      return how == impl::filled::ended;
  }
}

void client::half_close() {
  error_code ignored;
  impl_->say_bye();
  impl_->socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void client::close() {
  impl_->close();
}

void client::bye() {
  impl_->say_bye();
  close();
}

void client::reset() {
  error_code ignored;
  impl_->socket.set_option(asio::socket_base::linger(true, 0), ignored);
  impl_->close();
}

bool until(const std::function<bool()>& condition, std::chrono::milliseconds within) {
  auto deadline = clock::now() + within;
  while (!condition()) {
    if (clock::now() > deadline)
      return false;
    ::poll(nullptr, 0, 2); // Between two looks at the condition.
  }
  return true;
}

std::size_t resident() {
  std::ifstream in{"/proc/self/statm"};
  std::size_t total = 0;
  std::size_t pages = 0;
  in >> total >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace troupe::integration

// Updates as Telegram sends them, and where they end: for `make bench`.
//
// bench-webhooks --answer [--threads=N]
//   A Beast server that only answers 200: what there is to compare with. Prints {"port":N}, ends
//   by a signal.
// bench-webhooks --port=N --bots=FILE --seconds=S [--rate=R] [--connections=C] [--receive=PORT]
//   Posts updates, each with an id of its own, in turn for the bots of FILE ("ID SECRET" a line).
//   Without a rate: as many as are answered, closed loop. With one: open loop, an update's time
//   counts from when it was due. With --receive it is the tenant, too: an HTTP server on that port
//   that answers 200 and knows from each update when it was due.
//   Prints one JSON line: {"sent":…,"errors":…,"rate":…,"p50_us":…,"p99_us":…,"max_us":…,
//   "received":…,"repeated":…,"relay_rate":…,"relay_p50_us":…,"relay_p99_us":…,"relay_max_us":…}

#include <unistd.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using clock_type = std::chrono::steady_clock;

struct options {
  bool answer = false;
  unsigned threads = 2;
  unsigned short port = 0;
  unsigned short receive = 0;
  std::string bots;
  double rate = 0;
  double seconds = 3;
  std::size_t connections = 64;
};

options parse(int argc, char** argv) {
  options result;
  for (int i = 1; i < argc; ++i) {
    std::string text = argv[i];
    auto eq = std::min(text.find('='), text.size());
    auto name = text.substr(0, eq);
    auto value = eq < text.size() ? text.substr(eq + 1) : std::string{};
    auto number = std::atof(value.c_str());
    if (name == "--answer")
      result.answer = true;
    else if (name == "--threads")
      result.threads = static_cast<unsigned>(number);
    else if (name == "--port")
      result.port = static_cast<unsigned short>(number);
    else if (name == "--receive")
      result.receive = static_cast<unsigned short>(number);
    else if (name == "--bots")
      result.bots = value;
    else if (name == "--rate")
      result.rate = number;
    else if (name == "--seconds")
      result.seconds = number;
    else if (name == "--connections")
      result.connections = static_cast<std::size_t>(number);
  }
  return result;
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(clock_type::now().time_since_epoch())
    .count();
}

// -- the server -----------------------------------------------------------------------------------

using seen_body = std::function<void(const std::string&)>;

/// One connection of a server that answers 200 to everything.
class answering : public std::enable_shared_from_this<answering> {
public:
  answering(tcp::socket socket, seen_body seen)
    : socket_(std::move(socket)), seen_(std::move(seen)) {
    socket_.set_option(tcp::no_delay{true});
    answer_.result(http::status::ok);
    answer_.version(11);
    answer_.keep_alive(true);
    answer_.prepare_payload();
  }

  void read() {
    request_ = {};
    http::async_read(socket_, buffer_, request_,
                     [self = shared_from_this()](beast::error_code ec, std::size_t) {
                       if (!ec)
                         self->write();
                     });
  }

private:
  void write() {
    if (seen_)
      seen_(request_.body());
    http::async_write(socket_, answer_,
                      [self = shared_from_this()](beast::error_code ec, std::size_t) {
                        if (!ec)
                          self->read();
                      });
  }

  tcp::socket socket_;
  seen_body seen_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  http::response<http::empty_body> answer_;
};

/// One thread of it, with a listener of its own.
class server {
public:
  server(unsigned short port, seen_body seen) : acceptor_(io_), seen_(std::move(seen)) {
    tcp::endpoint where{asio::ip::address_v4::loopback(), port};
    acceptor_.open(where.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address{true});
    acceptor_.set_option(asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>{true});
    acceptor_.bind(where);
    acceptor_.listen(4096);
    accept();
    thread_ = std::thread{[this] { io_.run(); }};
  }
  ~server() {
    io_.stop();
    thread_.join();
  }
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  [[nodiscard]] unsigned short port() const { return acceptor_.local_endpoint().port(); }

private:
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code ec, tcp::socket socket) {
      if (!ec)
        std::make_shared<answering>(std::move(socket), seen_)->read();
      accept();
    });
  }

  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  seen_body seen_;
  std::thread thread_;
};

int answer(const options& o) {
  std::vector<std::unique_ptr<server>> all;
  all.push_back(std::make_unique<server>(0, seen_body{}));
  for (unsigned i = 1; i < o.threads; ++i)
    all.push_back(std::make_unique<server>(all.front()->port(), seen_body{}));
  std::cout << "{\"port\":" << all.front()->port() << "}" << std::endl;
  ::pause();
  return 0;
}

// -- the tenant -----------------------------------------------------------------------------------

double quantile(std::vector<double>& sorted, double q) {
  if (sorted.empty())
    return 0;
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(q * static_cast<double>(sorted.size())))];
}

std::int64_t number_after(std::string_view text, std::string_view name) {
  auto at = text.find(name);
  return at == std::string_view::npos ? 0
                                      : std::strtoll(text.data() + at + name.size(), nullptr, 10);
}

/// What arrived. Written by the receiving thread, read after its end.
struct tenant {
  std::vector<double> latencies; // Microseconds.
  std::unordered_set<std::int64_t> ids;
  std::size_t repeated = 0;
  std::atomic<std::size_t> received{0};
  std::int64_t first = 0;
  std::int64_t last = 0;

  void take(const std::string& body) {
    last = now_ns();
    if (first == 0)
      first = last;
    if (!ids.insert(number_after(body, "\"update_id\":")).second) {
      ++repeated;
      return;
    }
    latencies.push_back(static_cast<double>(last - number_after(body, "due ")) / 1000);
    received.store(ids.size());
  }
};

// -- Telegram -------------------------------------------------------------------------------------

class sender {
public:
  sender(asio::io_context& io, const options& o) : io_(io), o_(o), timer_(io) {
    std::ifstream file{o.bots};
    std::string id;
    std::string secret;
    while (file >> id >> secret)
      heads_.push_back("POST /webhook/" + id
                       + " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                         "X-Telegram-Bot-Api-Secret-Token: "
                       + secret + "\r\nContent-Length: ");
  }

  [[nodiscard]] bool ready() const { return !heads_.empty(); }

  void run() {
    tcp::endpoint where{asio::ip::address_v4::loopback(), o_.port};
    for (std::size_t i = 0; i < o_.connections; ++i) {
      auto& one = connections_.emplace_back(std::make_unique<connection>(io_));
      one->socket.connect(where);
      one->socket.set_option(tcp::no_delay{true});
      idle_.push_back(i);
    }
    // Above those of earlier runs, as Telegram's are: fewer than a million are sent in a second.
    next_id_ = now_ns() / 1000 % 1'000'000'000'000;
    start_ = clock_type::now();
    end_ =
      start_
      + std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double>(o_.seconds));
    if (o_.rate > 0) {
      total_ = static_cast<std::size_t>(o_.rate * o_.seconds);
      tick();
    } else {
      while (!idle_.empty())
        send_now();
    }
    io_.run();
  }

  std::vector<double> latencies; // Microseconds.
  std::size_t sent = 0;
  std::size_t errors = 0;
  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(clock_type::now() - start_).count();
  }

private:
  struct connection {
    explicit connection(asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    std::string out;
    std::string in = std::string(4096, '\0');
  };

  clock_type::time_point due(std::size_t n) const {
    return start_
           + std::chrono::duration_cast<clock_type::duration>(
             std::chrono::duration<double>(static_cast<double>(n) / o_.rate));
  }

  void tick() {
    auto now = clock_type::now();
    while (next_ < total_ && due(next_) <= now)
      waiting_.push_back(due(next_++));
    pump();
    if (next_ < total_) {
      timer_.expires_at(due(next_));
      timer_.async_wait([this](boost::system::error_code) { tick(); });
    }
  }

  void pump() {
    while (!waiting_.empty() && !idle_.empty()) {
      auto since = waiting_.front();
      waiting_.pop_front();
      send(since);
    }
  }

  void send_now() { send(clock_type::now()); }

  void send(clock_type::time_point since) {
    auto at = idle_.back();
    idle_.pop_back();
    auto bot = sent++ % heads_.size();
    auto id = std::to_string(next_id_++);
    auto user = std::to_string(5'000'000 + sent % 5000);
    auto text = std::to_string(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since.time_since_epoch()).count());
    // Like a message of a private chat with some entities: about 600 bytes.
    auto body =
      "{\"update_id\":" + id + ",\"message\":{\"message_id\":" + id + ",\"from\":{\"id\":" + user
      + ",\"is_bot\":false,\"first_name\":\"Ada\",\"last_name\":\"Lovelace\",\"username\":"
        "\"ada_lovelace\",\"language_code\":\"en\"},\"chat\":{\"id\":"
      + user
      + ",\"first_name\":\"Ada\",\"last_name\":\"Lovelace\",\"username\":\"ada_lovelace\","
        "\"type\":\"private\"},\"date\":1700000000,\"text\":\"due "
      + text
      + " The quick brown fox jumps over the lazy dog and goes on to tell the other animals of "
        "the wood what it saw there, at some length\",\"entities\":[{\"offset\":0,\"length\":3,"
        "\"type\":\"bold\"},{\"offset\":40,\"length\":5,\"type\":\"italic\"}]}}";
    auto& one = *connections_[at];
    one.out = heads_[bot] + std::to_string(body.size()) + "\r\n\r\n" + body;
    asio::async_write(one.socket, asio::buffer(one.out),
                      [this, at, since](boost::system::error_code ec, std::size_t) {
                        ec ? lose(ec) : receive(at, since, 0);
                      });
  }

  /// The answers are short and have a Content-Length, or none and no body.
  static bool whole(std::string_view text) {
    auto end = text.find("\r\n\r\n");
    if (end == std::string_view::npos)
      return false;
    auto at = text.find("ontent-Length: ");
    auto length = at == std::string_view::npos || at > end
                    ? 0
                    : std::strtoul(text.data() + at + 15, nullptr, 10);
    return text.size() >= end + 4 + length;
  }

  void receive(std::size_t at, clock_type::time_point since, std::size_t have) {
    auto& one = *connections_[at];
    one.socket.async_read_some(
      asio::buffer(one.in.data() + have, one.in.size() - have),
      [this, at, since, have](boost::system::error_code ec, std::size_t n) {
        if (ec)
          return lose(ec);
        auto text = std::string_view{connections_[at]->in}.substr(0, have + n);
        if (!whole(text))
          return receive(at, since, have + n);
        if (text.substr(9, 3) != "200" && errors++ == 0)
          std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
        latencies.push_back(
          std::chrono::duration<double, std::micro>(clock_type::now() - since).count());
        idle_.push_back(at);
        if (o_.rate > 0)
          pump();
        else if (clock_type::now() < end_)
          send_now();
      });
  }

  void lose(const boost::system::error_code& ec) {
    if (errors++ == 0)
      std::fprintf(stderr, "%s\n", ec.message().c_str());
  }

  asio::io_context& io_;
  options o_;
  asio::steady_timer timer_;
  std::vector<std::string> heads_;
  std::vector<std::unique_ptr<connection>> connections_;
  std::vector<std::size_t> idle_;
  std::deque<clock_type::time_point> waiting_;
  clock_type::time_point start_;
  clock_type::time_point end_;
  std::int64_t next_id_ = 0;
  std::size_t total_ = 0;
  std::size_t next_ = 0;
};

int send(const options& o) {
  tenant seen;
  std::unique_ptr<server> receiver;
  if (o.receive != 0)
    receiver =
      std::make_unique<server>(o.receive, [&](const std::string& body) { seen.take(body); });
  asio::io_context io{1};
  sender from{io, o};
  if (!from.ready()) {
    std::fprintf(stderr, "no bots in %s\n", o.bots.c_str());
    return 2;
  }
  from.run();
  auto elapsed = from.elapsed();
  if (receiver) {
    // What was accepted and is still on its way: waited for as long as something comes.
    asio::io_context waiting;
    asio::steady_timer timer{waiting};
    auto last = seen.received.load();
    for (int quiet = 0; quiet < 20 && last < from.latencies.size();) {
      timer.expires_after(std::chrono::milliseconds{100});
      timer.wait();
      auto now = seen.received.load();
      quiet = now == last ? quiet + 1 : 0;
      last = now;
    }
    receiver.reset();
  }
  std::sort(from.latencies.begin(), from.latencies.end());
  std::sort(seen.latencies.begin(), seen.latencies.end());
  auto span = static_cast<double>(seen.last - seen.first) / 1e9;
  std::printf("{\"sent\":%zu,\"errors\":%zu,\"rate\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,"
              "\"max_us\":%.0f,\"received\":%zu,\"repeated\":%zu,\"relay_rate\":%.0f,"
              "\"relay_p50_us\":%.0f,\"relay_p99_us\":%.0f,\"relay_max_us\":%.0f}\n",
              from.sent, from.errors, static_cast<double>(from.latencies.size()) / elapsed,
              quantile(from.latencies, 0.5), quantile(from.latencies, 0.99),
              from.latencies.empty() ? 0 : from.latencies.back(), seen.ids.size(), seen.repeated,
              span > 0 ? static_cast<double>(seen.ids.size()) / span : 0,
              quantile(seen.latencies, 0.5), quantile(seen.latencies, 0.99),
              seen.latencies.empty() ? 0 : seen.latencies.back());
  return from.errors == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  auto o = parse(argc, argv);
  if (o.answer)
    return answer(o);
  if (o.port == 0 || o.bots.empty() || o.seconds <= 0 || o.seconds > 60) {
    std::fprintf(stderr, "usage: bench-webhooks --answer | --port=N --bots=FILE --seconds=S (at "
                         "most 60) [--rate=R] [--connections=C] [--receive=PORT]\n");
    return 2;
  }
  return send(o);
}

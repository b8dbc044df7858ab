// A load generator with a fixed rate: `wrk` says how much a server can do, this says how long a
// request takes at a given rate. Open loop: a request's latency counts from when it was due, not
// from when a connection was free for it, so a stalled server cannot hide its stalls.
//
// bench-load --port=N --rate=REQUESTS_PER_SECOND --seconds=S [--connections=C] [--bots=B]
//            [--first=NUMBER_OF_THE_FIRST_BOT] [--deadline=MILLISECONDS] [--refusals=1]
// prints one JSON line:
// {"requests":…,"errors":…,"rate":…,"p50_us":…,"p90_us":…,"p99_us":…,"max_us":…}
// With --refusals a 429 is no error, and the quantiles are of what was answered with 200;
// {"refused":…,"refused_p50_us":…,"refused_p99_us":…,"untold":…} says what became of the rest:
// untold are refusals without a Retry-After.

#include <boost/asio.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using clock_type = std::chrono::steady_clock;

struct options {
  unsigned short port = 0;
  double rate = 1000;
  double seconds = 3;
  std::size_t connections = 64;
  std::size_t bots = 100;
  std::size_t first = 100000;
  int deadline_ms = -1; ///< Negative: the node's own.
  bool refusals = false;
};

options parse(int argc, char** argv) {
  options result;
  for (int i = 1; i < argc; ++i) {
    std::string text = argv[i];
    auto eq = text.find('=');
    auto value = std::atof(text.substr(eq + 1).c_str());
    auto name = text.substr(0, eq);
    if (name == "--port")
      result.port = static_cast<unsigned short>(value);
    else if (name == "--rate")
      result.rate = value;
    else if (name == "--seconds")
      result.seconds = value;
    else if (name == "--connections")
      result.connections = static_cast<std::size_t>(value);
    else if (name == "--bots")
      result.bots = static_cast<std::size_t>(value);
    else if (name == "--first")
      result.first = static_cast<std::size_t>(value);
    else if (name == "--deadline")
      result.deadline_ms = static_cast<int>(value);
    else if (name == "--refusals")
      result.refusals = value > 0;
  }
  return result;
}

struct results {
  std::vector<double> latencies; // Microseconds.
  std::vector<double> refused;   // The same.
  std::size_t errors = 0;
  std::size_t untold = 0;
};

/// A small answer, far below one buffer: found whole by its Content-Length.
std::size_t answer_size(std::string_view text) {
  auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos)
    return 0;
  auto at = text.find("ontent-Length: ");
  if (at == std::string_view::npos || at > end)
    at = text.find("ontent-length: ");
  if (at == std::string_view::npos || at > end)
    return 0;
  auto length = std::strtoul(text.data() + at + 15, nullptr, 10);
  return text.size() >= end + 4 + length ? end + 4 + length : 0;
}

std::string request_of(std::size_t bot, int deadline_ms) {
  auto deadline =
    deadline_ms < 0 ? "" : "X-Troupe-Deadline: " + std::to_string(deadline_ms) + "ms\r\n";
  std::string body = R"({"chat_id":)" + std::to_string(1000 + bot)
                     + R"(,"text":"The quick brown fox jumps over the lazy dog"})";
  return "POST /bot" + std::to_string(bot) + ":" + std::string(35, 'a')
         + "/sendMessage HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n" + deadline
         + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class generator {
public:
  generator(asio::io_context& io, const options& o) : io_(io), o_(o), timer_(io) {
    for (std::size_t i = 0; i < o.bots; ++i)
      requests_.push_back(request_of(o.first + i, o.deadline_ms));
  }

  void run() {
    tcp::endpoint where{asio::ip::address_v4::loopback(), o_.port};
    for (std::size_t i = 0; i < o_.connections; ++i) {
      auto socket = std::make_unique<tcp::socket>(io_);
      socket->connect(where);
      socket->set_option(tcp::no_delay{true});
      sockets_.push_back(std::move(socket));
      buffers_.emplace_back(4096, '\0');
      idle_.push_back(i);
    }
    start_ = clock_type::now();
    total_ = static_cast<std::size_t>(o_.rate * o_.seconds);
    seen.latencies.reserve(total_);
    tick();
    io_.run();
  }

  results seen;
  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(clock_type::now() - start_).count();
  }

private:
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
      auto at = idle_.back();
      idle_.pop_back();
      send(at, waiting_.front());
      waiting_.pop_front();
    }
  }

  void send(std::size_t at, clock_type::time_point since) {
    const auto& text = requests_[sent_++ % requests_.size()];
    asio::async_write(*sockets_[at], asio::buffer(text),
                      [this, at, since](boost::system::error_code ec, std::size_t) {
                        ec ? fail() : receive(at, since, 0);
                      });
  }

  void receive(std::size_t at, clock_type::time_point since, std::size_t have) {
    auto& buffer = buffers_[at];
    sockets_[at]->async_read_some(
      asio::buffer(buffer.data() + have, buffer.size() - have),
      [this, at, since, have](boost::system::error_code ec, std::size_t n) {
        if (ec)
          return fail();
        auto text = std::string_view{buffers_[at]}.substr(0, have + n);
        if (answer_size(text) == 0)
          return receive(at, since, have + n);
        note(text, std::chrono::duration<double, std::micro>(clock_type::now() - since).count());
        idle_.push_back(at);
        pump();
      });
  }

  void note(std::string_view answer, double took) {
    auto status = answer.substr(9, 3);
    if (o_.refusals && status == "429") {
      seen.untold += answer.find("\r\nRetry-After: ") == std::string_view::npos;
      return seen.refused.push_back(took);
    }
    seen.errors += status != "200";
    if (!o_.refusals || status == "200")
      seen.latencies.push_back(took);
  }

  void fail() { ++seen.errors; }

  asio::io_context& io_;
  options o_;
  asio::steady_timer timer_;
  std::vector<std::string> requests_;
  std::vector<std::unique_ptr<tcp::socket>> sockets_;
  std::vector<std::string> buffers_;
  std::vector<std::size_t> idle_;
  std::deque<clock_type::time_point> waiting_;
  clock_type::time_point start_;
  std::size_t total_ = 0;
  std::size_t next_ = 0;
  std::size_t sent_ = 0;
};

double quantile(std::vector<double>& sorted, double q) {
  if (sorted.empty())
    return 0;
  return sorted[std::min(sorted.size() - 1,
                         static_cast<std::size_t>(q * static_cast<double>(sorted.size())))];
}

} // namespace

int main(int argc, char** argv) {
  auto o = parse(argc, argv);
  if (o.port == 0 || o.rate <= 0 || o.seconds <= 0 || o.seconds > 60) {
    std::fprintf(stderr, "usage: bench-load --port=N --rate=R --seconds=S (at most 60) "
                         "[--connections=C] [--bots=B]\n");
    return 2;
  }
  asio::io_context io{1};
  generator load{io, o};
  load.run();
  auto elapsed = load.elapsed();
  auto& all = load.seen.latencies;
  std::sort(all.begin(), all.end());
  std::printf("{\"requests\":%zu,\"errors\":%zu,\"rate\":%.0f,\"p50_us\":%.0f,\"p90_us\":%.0f,"
              "\"p99_us\":%.0f,\"max_us\":%.0f",
              all.size(), load.seen.errors, static_cast<double>(all.size()) / elapsed,
              quantile(all, 0.5), quantile(all, 0.9), quantile(all, 0.99),
              all.empty() ? 0 : all.back());
  auto& refused = load.seen.refused;
  std::sort(refused.begin(), refused.end());
  if (o.refusals)
    std::printf(",\"refused\":%zu,\"refused_p50_us\":%.0f,\"refused_p99_us\":%.0f,\"untold\":%zu",
                refused.size(), quantile(refused, 0.5), quantile(refused, 0.99), load.seen.untold);
  std::printf("}\n");
  return load.seen.errors == 0 ? 0 : 1;
}

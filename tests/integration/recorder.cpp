#include "tests/integration/recorder.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace troupe::integration {
namespace {

constexpr std::size_t kept = 64 * 1024;

bool readable(int socket, std::chrono::milliseconds within = std::chrono::milliseconds{20}) {
  pollfd waiting{socket, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(within.count())) > 0;
}

/// Finds where requests end, in a stream of them.
class delimiter {
public:
  /// @returns requests that ended within `text`
  unsigned take(std::string_view text) {
    unsigned ended = 0;
    while (!text.empty()) {
      if (in_head_) {
        head_.push_back(text.front());
        text.remove_prefix(1);
        if (!head_.ends_with("\r\n\r\n"))
          continue;
        in_head_ = false;
        auto length = head_.find("Content-Length: ");
        chunked_ = head_.find("Transfer-Encoding: chunked") != std::string::npos;
        left_ = length == std::string::npos ? 0 : std::stoull(head_.substr(length + 16));
        tail_.clear();
      }
      if (chunked_) { // Test bodies do not contain what ends them.
        auto used = std::size_t{0};
        while (used < text.size() && !tail_.ends_with("0\r\n\r\n")) {
          tail_.push_back(text[used++]);
          if (tail_.size() > 64)
            tail_.erase(0, 32);
        }
        text.remove_prefix(used);
        if (!tail_.ends_with("0\r\n\r\n"))
          continue;
      } else {
        auto used = std::min<std::uint64_t>(left_, text.size());
        text.remove_prefix(used);
        left_ -= used;
        if (left_ > 0)
          continue;
      }
      ++ended;
      in_head_ = true;
      head_.clear();
    }
    return ended;
  }

private:
  bool in_head_ = true;
  bool chunked_ = false;
  std::string head_;
  std::string tail_;
  std::uint64_t left_ = 0;
};

} // namespace

recorder::recorder(std::string answer, bool closes, pace how)
  : answer_(std::move(answer)), closes_(closes), pace_(how),
    listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  auto* raw = static_cast<sockaddr*>(static_cast<void*>(&where));
  if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 64) != 0
      || ::getsockname(listener_, raw, &size) != 0)
    throw std::runtime_error{"no port"};
  port_ = ntohs(where.sin_port);
  thread_ = std::thread{[this] { accept(); }};
}

recorder::~recorder() {
  stopping_ = true;
  thread_.join();
  for (auto& x : connections_)
    x.join();
  ::close(listener_);
}

std::string recorder::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

std::string recorder::bytes() const {
  std::lock_guard lock{mutex_};
  return bytes_;
}

void recorder::accept() {
  while (!stopping_) {
    if (!readable(listener_))
      continue;
    auto socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0)
      connections_.emplace_back([this, socket] { serve(socket); });
  }
}

/// @returns whether all of it was sent; not when the other side ends the connection or sends more.
bool recorder::answer(int socket) const {
  std::string_view left{answer_};
  while (!left.empty()) {
    auto piece = left.substr(0, pace_.piece > 0 ? pace_.piece : left.size());
    auto sent = ::send(socket, piece.data(), piece.size(), MSG_NOSIGNAL);
    if (sent <= 0 || stopping_)
      return false;
    left.remove_prefix(static_cast<std::size_t>(sent));
    if (pace_.pause.count() > 0 && readable(socket, pace_.pause))
      return false;
  }
  return true;
}

void recorder::serve(int socket) {
  delimiter ends;
  char piece[16384];
  bool open = true;
  while (open && !stopping_) {
    if (total_ >= pause_at_) {
      ::poll(nullptr, 0, 5);
      continue;
    }
    if (!readable(socket))
      continue;
    auto n = ::recv(socket, piece, sizeof piece, 0);
    if (n <= 0)
      break;
    std::string_view text{piece, static_cast<std::size_t>(n)};
    {
      std::lock_guard lock{mutex_};
      bytes_.append(text.substr(0, kept - std::min(kept, bytes_.size())));
    }
    auto ended = ends.take(text);
    total_ += text.size();
    requests_ += ended;
    for (; ended > 0; --ended) {
      open = answer(socket) && !closes_;
      if (!open)
        break;
    }
  }
  ::close(socket);
}

} // namespace troupe::integration

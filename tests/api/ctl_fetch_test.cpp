#define CAF_SUITE api.ctl_fetch
#include "runtime/api/ctl_fetch.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace troupe::ctl_fetch_suite {

using namespace std::literals;

namespace {

/// A server for one connection that answers with given bytes, whatever it is asked.
class scripted_server {
public:
  /// @param answer sent when the request's head has come; empty: nothing is answered
  /// @param later sent when the client has not hung up for a while
  explicit scripted_server(std::string answer, std::string later = {})
    : answer_(std::move(answer)), later_(std::move(later)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 1) != 0
        || ::getsockname(listener_, raw, &size) != 0)
      throw std::runtime_error{"no port to listen on"};
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread{[this] { serve(); }};
  }

  ~scripted_server() {
    ::shutdown(listener_, SHUT_RDWR); // Whoever never connected is not waited for.
    if (thread_.joinable())
      thread_.join();
    ::close(listener_);
  }

  /// The request as it came.
  std::string asked() {
    thread_.join();
    return got_;
  }

  std::string url;

private:
  void serve() {
    auto peer = ::accept(listener_, nullptr, nullptr);
    if (peer < 0)
      return;
    char bytes[4096];
    auto whole = [this] {
      auto end = got_.find("\r\n\r\n");
      auto length = got_.find("Content-Length: ");
      return end != std::string::npos
             && (length == std::string::npos
                 || got_.size() - end - 4 >= std::strtoul(got_.c_str() + length + 16, nullptr, 10));
    };
    while (!whole()) {
      auto n = ::recv(peer, bytes, sizeof bytes, 0);
      if (n <= 0)
        break;
      got_.append(bytes, static_cast<std::size_t>(n));
    }
    send(peer, answer_);
    if (answer_.empty() || !later_.empty()) {
      pollfd end{peer, POLLIN, 0};
      ::poll(&end, 1, answer_.empty() ? 10'000 : 300);
    }
    send(peer, later_);
    ::close(peer);
  }

  static void send(int peer, std::string_view text) {
    if (!text.empty())
      (void)::send(peer, text.data(), text.size(), MSG_NOSIGNAL);
  }

  std::string answer_, later_, got_;
  int listener_ = -1;
  std::thread thread_;
};

std::string failure(const std::string& url, const api::fetch_request& what,
                    std::chrono::milliseconds patience = 10s) {
  try {
    (void)api::fetch(url, what, patience);
  } catch (const std::runtime_error& why) {
    return why.what();
  }
  return {};
}

constexpr auto brief_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

} // namespace

SCENARIO("a request says what it was given, as it was given, and nobody else is told") {
  for (auto* name : {"http_proxy", "all_proxy", "HTTPS_PROXY"})
    ::setenv(name, "http://127.0.0.1:1", 1);
  scripted_server server{brief_answer};
  api::fetch_request what;
  what.method = "POST";
  what.path = "/v1/bots/a%2Fb/../x?q=%20";
  what.key = "secret";
  what.body = R"({"a":1})";
  what.idempotency_key = "once";
  auto answer = api::fetch(server.url, what, 10s);
  for (auto* name : {"http_proxy", "all_proxy", "HTTPS_PROXY"})
    ::unsetenv(name);
  CHECK_EQ(answer.status, 200u);
  CHECK_EQ(answer.body, "ok");
  auto asked = server.asked();
  CHECK(asked.starts_with("POST /v1/bots/a%2Fb/../x?q=%20 HTTP/1.1\r\n"));
  CHECK(asked.ends_with("\r\n\r\n{\"a\":1}"));
  for (auto* line : {"Authorization: Bearer secret\r\n", "Idempotency-Key: once\r\n",
                     "Content-Type: application/json\r\n", "Content-Length: 7\r\n"})
    CHECK(asked.find(line) != std::string::npos);
  CHECK(asked.find("Expect") == std::string::npos);
}

SCENARIO("a POST without a body has the length 0 and no type, a GET neither") {
  scripted_server first{brief_answer};
  api::fetch_request what;
  what.method = "POST";
  (void)api::fetch(first.url, what, 10s);
  auto asked = first.asked();
  CHECK(asked.find("Content-Length: 0\r\n") != std::string::npos);
  CHECK(asked.find("Content-Type") == std::string::npos);
  scripted_server second{brief_answer};
  (void)api::fetch(second.url, {}, 10s);
  asked = second.asked();
  CHECK(asked.starts_with("GET / HTTP/1.1\r\n"));
  CHECK(asked.find("Content-") == std::string::npos);
  CHECK(asked.find("Authorization") == std::string::npos);
}

SCENARIO("refusals are answers, with the time to wait") {
  scripted_server server{"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}"};
  std::string pieces;
  api::fetch_request what;
  what.each = [&](std::string_view piece) { pieces += piece; };
  auto answer = api::fetch(server.url, what, 10s);
  CHECK_EQ(answer.status, 429u);
  CHECK_EQ(answer.retry_after, 7s);
  CHECK_EQ(answer.body, "{}");
  CHECK(pieces.empty());
}

SCENARIO("redirects are not followed: the key is the node's") {
  scripted_server server{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                         "Content-Length: 0\r\n\r\n"};
  CHECK_EQ(api::fetch(server.url, {}, 10s).status, 302u);
}

SCENARIO("what goes wrong is told in words") {
  scripted_server other{"220 smtp.example.org ready\r\n"};
  CHECK(failure(other.url, {}).ends_with("the answer is not HTTP"));
  scripted_server cut{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"};
  CHECK(failure(cut.url, {}).ends_with("the connection ended within the answer"));
  scripted_server silent{""};
  CHECK(failure(silent.url, {}, 50ms).ends_with("no answer in time"));
  CHECK(failure("http://127.0.0.1:1", {}).ends_with("nobody listens there; is trouped running?"));
  for (auto* url : {"ftp://x", "http://", "http://x/path", "http://a@b", "http://x:port", "x"})
    CHECK(failure(url, {}).find("is not the address of a node") != std::string::npos);
}

SCENARIO("pieces come for as long as they come, longer than an answer is waited for") {
  scripted_server server{"HTTP/1.1 200 OK\r\n\r\nfirst ", "second"};
  std::string pieces;
  api::fetch_request what;
  what.each = [&](std::string_view piece) { pieces += piece; };
  auto answer = api::fetch(server.url, what, 100ms);
  CHECK_EQ(answer.status, 200u);
  CHECK_EQ(pieces, "first second");
  CHECK(answer.body.empty());
}

SCENARIO("who throws at a piece ends the exchange with that") {
  scripted_server server{brief_answer};
  api::fetch_request what;
  what.each = [](std::string_view) { throw std::runtime_error{"enough"}; };
  CHECK_EQ(failure(server.url, what), "enough");
}

} // namespace troupe::ctl_fetch_suite

#pragma once
#include "tests/sandbox/sandbox.hpp"

#include <boost/json/value.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

/// A small blocking HTTP client and a scene, for tests against a sandbox.
namespace troupe::sandbox::testing {

struct reply {
  int status = 0;                             ///< 0: the connection ended before an answer.
  std::map<std::string, std::string> headers; ///< Names in lower case.
  std::string body;
  bool whole = false; ///< False: the body ended too early.

  /// The body as JSON; null if it is none.
  [[nodiscard]] boost::json::value json() const;
  /// `result` of a Bot API answer.
  [[nodiscard]] boost::json::value result() const;
  /// `description` of a Bot API error.
  [[nodiscard]] std::string description() const;
};

/// One connection, made at the first use and again after it ended.
class client {
public:
  explicit client(std::string url);
  ~client();
  client(client&&) noexcept;

  reply get(std::string_view target);
  reply post(std::string_view target, std::string_view body,
             std::string_view content_type = "application/json");
  reply request(std::string_view method, std::string_view target, std::string_view body,
                std::string_view headers = {});

  /// Bytes as they are, without waiting for an answer.
  void send(std::string_view bytes);
  /// Reads one answer to what was sent. `head_only`: of HEAD.
  reply receive();
  /// Whether the peer has closed the connection, waiting for at most `within`.
  bool ended(std::chrono::milliseconds within = std::chrono::seconds{5});
  void close();
  void half_close();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// A sandbox with a bot, a user and their private chat.
struct scene {
  explicit scene(options opts = {});

  /// A Bot API call with a JSON body.
  reply call(std::string_view method, std::string_view body = "{}");
  /// A control request; fails the test's expectations by status, not by exception.
  boost::json::value control(std::string_view method, std::string_view path,
                             std::string_view body = {});
  /// The user writes; the message's id.
  std::int64_t say(std::string_view text);
  std::string path(std::string_view method) const {
    return "/bot" + token + "/" + std::string{method};
  }
  /// `{"chat_id":…,` + the rest.
  std::string to_chat(std::string_view rest) const;

  server sandbox;
  client http;
  std::string token;
  std::int64_t bot = 0;
  std::int64_t user = 0;
};

/// Waits until `condition` holds, for at most `within`; whether it did.
bool until(const std::function<bool()>& condition,
           std::chrono::milliseconds within = std::chrono::seconds{10});

/// A self-signed certificate and key for 127.0.0.1 and localhost, as PEM files in a directory of
/// its own that is removed at the end.
struct certificate {
  certificate();
  ~certificate();
  std::string directory;
  std::string cert;
  std::string key;
  [[nodiscard]] std::string cert_text() const;
};

/// Quiet options: any port, no limits.
options quick(bool limits = false);

} // namespace troupe::sandbox::testing

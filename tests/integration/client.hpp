#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

/// A blocking client of a gateway. Nothing it does takes longer than its deadline: a test fails
/// instead of hanging.
namespace troupe::integration {

using namespace std::chrono_literals;

/// One answer.
struct reply {
  int status = 0;                             ///< 0: the connection ended before an answer.
  std::map<std::string, std::string> headers; ///< Names in lower case.
  std::string head;                           ///< Status line and fields as they came.
  std::string body;                           ///< Chunks joined.
  bool whole = false;                         ///< False: the body ended too early.
  bool late = false;                          ///< Nothing came before the deadline.
  int interim = 0;                            ///< Responses of 1xx that went before.

  [[nodiscard]] long attempts() const; ///< X-Troupe-Attempts; -1: none.
  [[nodiscard]] double waited() const; ///< X-Troupe-Waited; -1: none.
  /// Whether it has the shape of a Bot API error with this code, and the head's status is the same.
  [[nodiscard]] bool is_api_error(int code) const;
  /// `parameters.retry_after`; 0: none.
  [[nodiscard]] long retry_after() const;
  /// The string at a path like "result/file_path"; numbers as text; empty: none.
  [[nodiscard]] std::string text(std::string_view path) const;
};

class client {
public:
  /// @param ca_file trust for TLS; empty: plain HTTP
  explicit client(std::uint16_t port, std::string ca_file = {});
  ~client();
  client(client&&) noexcept;

  /// Connects unless it is connected; false if that fails.
  bool connect();
  /// Sends bytes; false when the connection ended.
  bool send(std::string_view bytes);
  /// Reads one answer, interim ones skipped.
  reply receive(std::chrono::milliseconds within = 20s, bool head_only = false);
  reply get(std::string_view target, std::string_view fields = {});
  reply post(std::string_view target, std::string_view body,
             std::string_view type = "application/json", std::string_view fields = {});
  /// Waits until the gateway closes the connection; false if it does not.
  bool ended(std::chrono::milliseconds within = 10s);
  void half_close(); ///< Sends no more; over TLS it says so by a close_notify too.
  void close();
  void reset(); ///< Closes with RST.
  void bye();   ///< Closes as TLS has it: with a close_notify, not waiting for the other side's.

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Waits until `condition` holds, for at most `within`; whether it did.
bool until(const std::function<bool()>& condition, std::chrono::milliseconds within = 10s);

/// Resident memory of this process, bytes.
std::size_t resident();

} // namespace troupe::integration

#pragma once
#include "runtime/net/task.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sandbox {

/// Where a webhook's updates go.
struct webhook_target {
  std::string url;
  bool secure = false;
  std::string host; ///< As in the URL; without brackets for IPv6.
  std::string port;
  std::string path;        ///< With the query.
  std::string secret;      ///< X-Telegram-Bot-Api-Secret-Token; may be empty.
  std::string fixed_ip;    ///< Instead of the host's address; may be empty.
  std::string certificate; ///< PEM that the server must present or be signed by; empty: any.
  std::uint32_t max_connections = 40;
};

/// Fills in what the URL says; nullopt if it is no http or https URL.
[[nodiscard]] std::optional<webhook_target> parse_webhook_url(std::string_view url);

/// How a delivery ended.
struct webhook_answer {
  int status = 0;    ///< 0: no answer came.
  std::string error; ///< What getWebhookInfo says; empty on success.
  std::string content_type;
  std::string body;
  std::chrono::seconds retry_after{0};
  std::string peer; ///< The address that was connected to.
  [[nodiscard]] bool success() const noexcept { return status >= 200 && status <= 299; }
};

/// Kept-alive connections to one target. On one thread only.
class webhook_connections {
public:
  webhook_connections(boost::asio::io_context& io, const webhook_target& target);
  ~webhook_connections();

  /// Posts an update. Never throws; at most 60 s, redirects are failures.
  net::task<webhook_answer> post(std::string json);
  void close();

private:
  struct connection;

  net::task<boost::system::error_code> connect(connection& x);
  net::task<boost::system::error_code> exchange(connection& x, std::string_view json,
                                                webhook_answer& answer);
  [[nodiscard]] std::string head_of(std::size_t length) const;

  boost::asio::io_context& io_;
  const webhook_target& target_;
  boost::asio::ssl::context tls_;
  std::vector<std::shared_ptr<connection>> idle_;
  bool closed_ = false;
};

} // namespace troupe::sandbox

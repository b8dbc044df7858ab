#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::api {

struct fetched {
  unsigned status = 0;
  std::string body;
  std::chrono::seconds retry_after{0}; ///< 0: the answer does not say.
};

struct fetch_request {
  std::string method = "GET";
  std::string path = "/";
  std::string key;             ///< Of the control API; empty: none is sent.
  std::string body;            ///< JSON; empty: none is sent.
  std::string idempotency_key; ///< Empty: none is sent.
  std::string ca_file;         ///< Of https: PEM file of trusted authorities; empty: the system's.
  /// When set, it gets the pieces of a body with status 200 as they come, for as long as they come.
  std::function<void(std::string_view)> each{};
};

/// Sends one request to `url` (http://HOST[:PORT] or https://HOST[:PORT]) and waits for the whole answer.
/// @throws std::runtime_error with a sentence for people: the URL is wrong, nobody listens there,
/// the answer did not come within `patience`
[[nodiscard]] fetched fetch(std::string_view url, const fetch_request& what,
                            std::chrono::milliseconds patience);

/// Whether the URL leads to this machine itself. @throws like fetch when it is wrong
[[nodiscard]] bool is_loopback(std::string_view url);

} // namespace troupe::api

#pragma once
#include "messages/call.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace troupe::net {

/// A Bot API request that an actor makes itself. Small, held whole.
struct api_request {
  std::string path; ///< "/bot<token>/<method>": a secret.
  std::string content_type = "application/json";
  std::string body; ///< Empty: a GET.
};

struct api_answer {
  std::uint16_t status = 0;
  std::string content_type;
  std::string body;
};

/// Where such requests go out: on leased sessions, as the gateway's do.
class call_port {
public:
  virtual ~call_port() = default;

  /// Makes the request on the lease's session, within `limit`, and releases the session. Never
  /// blocks. `then` is called once, on any thread, possibly within; not at all when the lane stops.
  virtual void perform(const lease& on, api_request what, std::chrono::milliseconds limit,
                       std::function<void(outcome, api_answer)> then) = 0;
};

} // namespace troupe::net

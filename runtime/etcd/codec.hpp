#pragma once
#include "runtime/etcd/requests.hpp"

#include <optional>
#include <string>
#include <string_view>

/// etcd's messages as JSON: bytes in base64, 64-bit integers as text, what is zero left out.
namespace troupe::etcd {

/// Where the gateway takes this request, such as "/v3/kv/range".
[[nodiscard]] std::string_view path_of(const request& what) noexcept;

[[nodiscard]] std::string body_of(const request& what);
[[nodiscard]] std::string body_of(const watch_spec& what);

/// Reads the answer to a request of this kind; nothing if it is no such answer.
[[nodiscard]] std::optional<reply> read_reply(const request& to, std::string_view text);

/// What etcd answers instead.
struct complaint {
  int code = 0; ///< Of gRPC.
  std::string message;
};
[[nodiscard]] std::optional<complaint> read_complaint(std::string_view text);

/// One message of a watch.
struct watch_message {
  revision at = 0;
  bool created = false;
  bool canceled = false;
  revision compacted = 0; ///< The oldest that is kept, if that ended it.
  std::string reason;     ///< Why it was canceled.
  int code = 0;
  std::vector<change> changes;
};

/// Nothing if `line` is no such message.
[[nodiscard]] std::optional<watch_message> read_watch_line(std::string_view line);

} // namespace troupe::etcd

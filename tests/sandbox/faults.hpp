#pragma once
#include "tests/sandbox/duration.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace troupe::sandbox {

enum class fault_kind : std::uint8_t {
  status,       ///< Answers with `error_code`; nothing happens.
  reset_before, ///< Resets the connection; nothing happens.
  reset_after,  ///< Does what was asked, then resets the connection without an answer.
  half_answer,  ///< Does what was asked, sends half the answer, closes.
  hang,         ///< Never answers; nothing happens.
  latency,      ///< Answers `latency` later.
  tls,          ///< New connections fail in their handshake; no request matches.
  flood,        ///< 429 with `retry_after`: `count` times, or until that time has passed.
};

/// A rule that makes requests fail.
struct fault {
  std::uint64_t id = 0;
  fault_kind kind = fault_kind::status;
  std::int64_t bot = 0;                ///< 0: any.
  std::optional<std::uint16_t> method; ///< Index into the method table.
  std::int64_t chat = 0;               ///< 0: any.
  int error_code = 500;
  std::string description; ///< Empty: the code's usual words.
  std::chrono::seconds retry_after{0};
  delay latency;
  std::uint64_t count = 0; ///< Matches left; 0: no bound.
  double ratio = 1;        ///< Share of the matching requests that are hit.
  std::uint64_t hits = 0;
  std::optional<std::chrono::steady_clock::time_point> flood_until;
};

/// What a request is to the faults.
struct fault_query {
  std::int64_t bot = 0;
  std::uint16_t method = 0;
  std::int64_t chat = 0;
};

/// All faults of one sandbox. Thread-safe; costs one atomic read while there are none.
class fault_list {
public:
  /// Reads the body of POST /sandbox/faults; an error is a sentence for people.
  [[nodiscard]] static std::variant<fault, std::string> parse(const boost::json::object& source);

  std::uint64_t add(fault x);
  /// Removes that one, or all with 0. False: no such fault. Hanging requests end.
  bool remove(std::uint64_t id);
  [[nodiscard]] std::string report() const;

  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_relaxed); }

  /// The first fault that hits this request, as it is for this hit: `retry_after` is what is left.
  [[nodiscard]] std::optional<fault> hit(const fault_query& query,
                                         std::chrono::steady_clock::time_point now);
  /// Whether a new connection's handshake shall fail.
  [[nodiscard]] bool hit_handshake();

  /// Changes with every `remove`: what hangs watches it.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_.load(); }

private:
  bool draw(fault& x);
  void drop_spent();

  mutable std::mutex mutex_;
  std::vector<fault> faults_;
  std::uint64_t next_id_ = 1;
  std::atomic<bool> any_{false};
  std::atomic<std::uint64_t> epoch_{0};
};

} // namespace troupe::sandbox

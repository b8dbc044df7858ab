#pragma once
#include "actors/session_pool/index_list.hpp"
#include "messages/call.hpp"
#include "runtime/net/upstream_port.hpp"
#include "runtime/policy/time.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace troupe {

/// How many leases of each kind there may be at once. Connections for requests and files are
/// shared; those for polls are apart.
struct session_limits {
  std::uint32_t calls = 30; ///< Requests and files together.
  std::uint32_t requests = 27;
  std::uint32_t files = 10;
  std::uint32_t polls = 1000;
  std::uint16_t lanes = 1;
  duration idle_timeout = std::chrono::seconds{50};
  duration max_age = std::chrono::seconds{600};
};

/// A place for one connection.
struct pooled_session : list_links {
  std::uint64_t id = 0;    ///< 0: no session here.
  std::uint64_t lease = 0; ///< 0: idle.
  std::uint64_t lessee = 0;
  bot_id bot = 0;
  std::uint64_t leases = 0; ///< Granted so far.
  time_point opened;
  time_point used; ///< Start or end of its last lease.
  std::uint16_t lane = 0;
  call_kind kind = call_kind::request; ///< Of its last lease.
};

/// The sessions of one pool incarnation and who leases them. A value without actors and clock,
/// except that it tells the port which connections to close. All O(1) but `expire`.
class session_table {
public:
  session_table(const session_limits& limits, std::uint32_t epoch,
                std::shared_ptr<net::session_port> port);

  /// Leases of a kind now, and how many there may be.
  [[nodiscard]] std::uint32_t leased(call_kind kind) const noexcept;
  [[nodiscard]] std::uint32_t limit(call_kind kind) const noexcept;
  [[nodiscard]] bool has_place(call_kind kind) const noexcept;
  /// Whether files and requests have one and the same place in turn.
  [[nodiscard]] bool single() const noexcept { return limits_.calls == 1; }
  /// Places that requests may have, those that they have included.
  [[nodiscard]] std::uint32_t room_for_requests() const noexcept;

  /// Other limits, of the same lanes. Closes what is idle and too much or too old now.
  void change(const session_limits& limits, time_point now);

  /// Leases a session: the last one that came back on `lane`, else a new one on that lane, for
  /// which the longest idle one of another lane goes if there are too many. @pre has_place(kind)
  /// @returns its index; the reference is valid until the next call
  std::uint32_t take(call_kind kind, std::uint16_t lane, bot_id bot, std::uint64_t lessee,
                     time_point now);

  /// Bots that lease sessions for requests, and how many each. Walks all sessions.
  [[nodiscard]] std::vector<std::pair<bot_id, std::uint32_t>> requests_by_bot() const;

  /// Ends a lease. Unless it is reusable and young, the session ends with it.
  void give_back(std::uint32_t index, bool reusable, time_point now);

  /// The session of a running lease; `no_index` for any other number.
  [[nodiscard]] std::uint32_t find(std::uint64_t lease) const noexcept;

  /// Closes what was idle for too long or is too old.
  void expire(time_point now);

  [[nodiscard]] const pooled_session& operator[](std::uint32_t i) const { return all_[i]; }
  [[nodiscard]] const std::vector<pooled_session>& all() const noexcept { return all_; }
  [[nodiscard]] std::uint32_t idle() const noexcept;
  [[nodiscard]] std::uint64_t opened() const noexcept { return opened_; }
  [[nodiscard]] std::uint64_t closed() const noexcept { return closed_; }
  [[nodiscard]] std::uint64_t leases() const noexcept { return leases_; }

private:
  /// Connections that may stand in for each other.
  struct room {
    std::uint32_t limit = 0;
    std::uint32_t open = 0; // Leased or idle.
    std::uint32_t busy = 0;
    std::vector<index_list> idle; // By lane; the last one used first.
  };

  room& room_of(call_kind kind) noexcept { return rooms_[kind == call_kind::long_poll ? 1 : 0]; }
  void set(const session_limits& limits);
  [[nodiscard]] bool worn(const pooled_session& x, time_point now) const noexcept {
    return now - x.opened >= limits_.max_age || now - x.used >= limits_.idle_timeout;
  }
  std::uint32_t reuse(room& r, std::uint16_t lane, time_point now);
  std::uint32_t open(room& r, std::uint16_t lane, time_point now);
  void close_longest_idle(room& r);
  void close_idle(room& r, std::uint32_t index);
  void close(room& r, std::uint32_t index);

  session_limits limits_;
  std::uint32_t epoch_;
  std::shared_ptr<net::session_port> port_;
  std::vector<pooled_session> all_;
  std::vector<std::uint32_t> free_;
  std::array<room, 2> rooms_;
  std::array<std::uint32_t, 3> leased_{}; // By call_kind.
  std::uint64_t opened_ = 0;
  std::uint64_t closed_ = 0;
  std::uint64_t leases_ = 0;
};

} // namespace troupe

#pragma once
#include <cstdint>

namespace troupe::net {

/// A session's id carries the incarnation of the pool that made it in its upper 24 bits, so that
/// the connections of a dead pool are told from those of its successor wherever messages cross.
inline constexpr unsigned session_epoch_shift = 40;

[[nodiscard]] constexpr std::uint64_t session_id(std::uint32_t epoch, std::uint64_t n) noexcept {
  return (std::uint64_t{epoch} & 0xFFFFFFu) << session_epoch_shift
         | (n & ((std::uint64_t{1} << session_epoch_shift) - 1));
}

[[nodiscard]] constexpr std::uint32_t session_epoch(std::uint64_t session) noexcept {
  return static_cast<std::uint32_t>(session >> session_epoch_shift);
}

/// How the session pool reaches the connections behind its sessions. Called by the pool's actor on
/// any thread; never blocks; the effect follows soon after. Tests replace it.
class session_port {
public:
  virtual ~session_port() = default;

  /// Closes the session's connection, if it has one; an exchange running on it fails. The id is
  /// never used again.
  virtual void close(std::uint64_t session, std::uint16_t lane) = 0;

  /// Closes every connection of pools before incarnation `epoch`, which starts now.
  virtual void close_all(std::uint32_t epoch) = 0;
};

} // namespace troupe::net

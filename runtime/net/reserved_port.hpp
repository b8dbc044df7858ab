#pragma once
#include <cstdint>
#include <string>

namespace troupe::net {

/// Holds a port with SO_REUSEPORT, without listening, so that all lanes and all their restarts
/// listen on the same one even when the settings say 0 (any free one).
class reserved_port {
public:
  /// @throws std::runtime_error with a sentence for people when the address is taken or wrong
  reserved_port(const std::string& setting, const std::string& address, std::uint16_t port);
  ~reserved_port();

  reserved_port(const reserved_port&) = delete;
  reserved_port& operator=(const reserved_port&) = delete;

  [[nodiscard]] std::uint16_t number() const noexcept { return number_; }

private:
  int socket_ = -1;
  std::uint16_t number_ = 0;
};

} // namespace troupe::net

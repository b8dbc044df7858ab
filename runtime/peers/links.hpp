#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system_config.hpp>

#include <functional>
#include <string>

namespace troupe::peers {

struct link_options {
  std::string cluster;          ///< Its name: nodes of another one do not connect.
  std::string certificate_file; ///< PEM, ours; empty: no TLS, for loopback alone.
  std::string key_file;         ///< PEM.
  std::string trust_file;       ///< What `trust` writes.
  std::string bind = "127.0.0.1";
  std::uint16_t port = 0; ///< 0: any free one.
};

/// Before the actor system is made: loads CAF's network modules into `to`. A peer that is silent
/// for three seconds is given up.
void load_links(caf::actor_system_config& to, const link_options& options);

/// The node's links to others. Callbacks come on any thread.
class links {
public:
  /// @param sys of a configuration that `load_links` was applied to
  links(caf::actor_system& sys, link_options options) : sys_(sys), options_(std::move(options)) {}

  /// Makes `desk` what other nodes reach. @returns the port
  /// @throws std::runtime_error with a sentence for people when the address cannot be bound
  std::uint16_t publish(const caf::actor& desk);

  /// Connects to the desk at host:port within two seconds. @param then called once, with an empty
  /// handle if it failed
  void dial(const std::string& address, std::function<void(caf::actor)> then);

private:
  caf::actor_system& sys_;
  link_options options_;
};

/// Host and port of "host:port" or "[address]:port". @throws std::invalid_argument
[[nodiscard]] std::pair<std::string, std::uint16_t> split_address(const std::string& address);

} // namespace troupe::peers

#pragma once
#include "runtime/etcd/port.hpp"
#include "runtime/net/dns_cache.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::etcd {

struct client_options {
  std::vector<std::string> endpoints{}; ///< URLs of members: "https://etcd-1:2379". Not empty.
  std::string ca_file{};                ///< PEM file of trusted authorities; empty: the system's.
  std::string certificate_file{};       ///< PEM, ours, with its chain; empty: none.
  std::string key_file{};               ///< PEM; set exactly when the certificate is.
  /// A watch that is silent for so long asks its member whether it still answers.
  std::chrono::milliseconds silence{2'000};
};

/// A client on one I/O thread. The files are read again for every new connection, so renewed
/// certificates are used from the next one on. The member that answered last is asked first; one
/// that does not answer within its even part of the time left is given up for the next. Members
/// that know no leader are given up at once. What is under way keeps it alive: `close` it to end
/// its watches.
/// @param ex its context runs on one thread until it is destroyed
/// @throws std::invalid_argument with a sentence, for an endpoint or a file that cannot be used
[[nodiscard]] std::shared_ptr<port>
make_client(net::io_executor ex, std::shared_ptr<net::dns_cache> dns, client_options options);

} // namespace troupe::etcd

#include "runtime/peers/links.hpp"

#include "runtime/log/log.hpp"
#include "runtime/peers/handshakes.hpp"
#include "runtime/peers/trust.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/scoped_actor.hpp>

#include <charconv>
#include <set>
#include <stdexcept>

namespace troupe::peers {
namespace {

caf::io::middleman_actor network_of(caf::actor_system& sys, bool tls) {
  return tls ? sys.openssl_manager().actor_handle() : sys.middleman().actor_handle();
}

} // namespace

void load_links(caf::actor_system_config& to, const link_options& options) {
  caf::io::middleman::init_global_meta_objects();
  caf::openssl::manager::init_global_meta_objects();
  to.load<caf::io::middleman>();
  to.load<caf::openssl::manager>();
  to.set("caf.middleman.app-identifiers", std::vector<std::string>{"troupe/" + options.cluster});
  to.set("caf.middleman.heartbeat-interval", caf::timespan{std::chrono::milliseconds{500}});
  to.set("caf.middleman.connection-timeout", caf::timespan{std::chrono::seconds{3}});
  if (options.certificate_file.empty())
    return;
  limit_handshakes();
  trust_single_certificates();
  to.openssl_certificate = options.certificate_file;
  to.openssl_key = options.key_file;
  to.openssl_cafile = options.trust_file;
}

std::uint16_t links::publish(const caf::actor& desk) {
  caf::scoped_actor self{sys_};
  std::uint16_t port = 0;
  std::string why;
  self
    ->request(network_of(sys_, !options_.certificate_file.empty()), std::chrono::seconds{10},
              caf::publish_atom_v, options_.port, caf::actor_cast<caf::strong_actor_ptr>(desk),
              std::set<std::string>{}, options_.bind, true)
    .receive([&](std::uint16_t bound) { port = bound; },
             [&](const caf::error& x) { why = caf::to_string(x); });
  if (port == 0)
    throw std::runtime_error{"cluster.port: " + options_.bind + ":" + std::to_string(options_.port)
                             + " cannot be listened on (" + why + ")"};
  return port;
}

void links::dial(const std::string& address, std::function<void(caf::actor)> then) {
  std::string host;
  std::uint16_t port = 0;
  try {
    std::tie(host, port) = split_address(address);
  } catch (const std::invalid_argument&) {
    return then({}); // Another node's word; it is shown by /v1/cluster.
  }
  auto network = network_of(sys_, !options_.certificate_file.empty());
  sys_.spawn<caf::hidden>(
    [network, host, port, then = std::move(then)](caf::event_based_actor* self) {
      self->request(network, std::chrono::seconds{2}, caf::connect_atom_v, host, port)
        .then([then](const caf::node_id&, const caf::strong_actor_ptr& found,
                     const std::set<std::string>&) { then(caf::actor_cast<caf::actor>(found)); },
              [then](const caf::error&) { then({}); });
    });
}

std::pair<std::string, std::uint16_t> split_address(const std::string& address) {
  auto colon = address.rfind(':');
  std::uint16_t port = 0;
  if (colon != std::string::npos) {
    auto* end = address.data() + address.size();
    auto [stopped, wrong] = std::from_chars(address.data() + colon + 1, end, port);
    if (wrong != std::errc{} || stopped != end)
      port = 0;
  }
  if (port == 0 || colon == 0)
    throw std::invalid_argument{"\"" + address + "\" is no host:port"};
  auto host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return {host, port};
}

} // namespace troupe::peers

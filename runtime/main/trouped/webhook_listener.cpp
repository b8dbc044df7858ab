#include "runtime/main/trouped/webhook_listener.hpp"

#include "runtime/api/client_address.hpp"
#include "runtime/main/trouped/held_server.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::string_view telegram_networks = "149.154.160.0/20, 91.108.4.0/22";

bool is_forwarded_for(std::string_view header) {
  constexpr std::string_view name = "x-forwarded-for";
  return std::equal(header.begin(), header.end(), name.begin(), name.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

struct webhook_listener_name {
  static constexpr const char* text = "troupe.webhook";
};

} // namespace

caf::actor spawn_webhook_listener(caf::actor_system& sys, net::http_server_config config,
                                  webhook::settings how, webhook::ports ports) {
  auto handler = webhook::make_handler(config, std::move(how), std::move(ports));
  return spawn_held_server<webhook_listener_name>(sys, std::move(config), std::move(handler));
}

std::function<bool(const net::http_request&)> telegram_sources(const std::string& trusted) {
  using config::network;
  auto proxies = config::parse_networks(trusted).value_or(std::vector<network>{});
  auto telegram = config::parse_networks(telegram_networks).value_or(std::vector<network>{});
  return [proxies, telegram](const net::http_request& from) {
    std::string forwarded;
    for (const auto& x : from.headers)
      if (is_forwarded_for(x.name))
        forwarded += (forwarded.empty() ? "" : ",") + std::string{x.value};
    auto source = network::parse(api::client_address(from.peer, forwarded, proxies));
    return source && std::any_of(telegram.begin(), telegram.end(), [&](const network& one) {
             return one.holds(*source);
           });
  };
}

} // namespace troupe

#pragma once
#include "actors/bot/bot.hpp"
#include "actors/bots/bots.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/health/health.hpp"
#include "actors/rate_governor/rate_governor.hpp"
#include "actors/session_pool/session_pool.hpp"
#include "messages/gateway.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/registrar.hpp"
#include "messages/session_pool.hpp"
#include "runtime/log/capture.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "tests/integration/client.hpp"
#include "tests/sandbox/faults.hpp"
#include "tests/sandbox/options.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace troupe::sandbox {
class world;
}

namespace troupe::integration {

/// How a node part is made. Budgets are off and retries quick unless a test says otherwise.
struct part_options {
  part_options();

  bool upstream_tls = false; ///< The sandbox serves HTTPS.
  bool gateway_tls = false;  ///< The gateway does.
  bool stored = false;       ///< With a store of its own (SQLite), where the bot is registered.
  std::string api_root;      ///< Empty: the sandbox.
  gateway_config gateway;
  bot_config bot;
  session_pool_config pool;
  rate_governor_config budgets;
  health_config health;
  caf::timespan quarantine = std::chrono::minutes{1};
  sandbox::options upstream;
  call_meter meter; ///< Held by the gateways.
  /// Of a node of many, which owns what this says. Null: by itself.
  std::shared_ptr<cluster_view> cluster;
};

/// What a fault needs beside its kind.
struct fault_terms {
  int error_code = 500;
  std::chrono::seconds retry_after{0};
  std::chrono::milliseconds latency{0};
};

enum class service : std::uint8_t { health, governor, pool, store, gateway };
inline constexpr std::array service_names{"health", "rate governor", "session pool", "store",
                                          "gateway"};

/// A node without configuration and API: lanes, supervision tree, gateways; and its upstream, with
/// one bot that both know.
class node_part {
public:
  explicit node_part(part_options options = {});
  ~node_part();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] client connect() const; ///< A client of the gateway, TLS included.
  [[nodiscard]] sandbox::world& upstream();
  [[nodiscard]] std::uint16_t upstream_port() const;

  /// The first bot's.
  [[nodiscard]] const std::string& token() const;
  [[nodiscard]] bot_id bot() const;
  [[nodiscard]] std::string path(std::string_view method) const; ///< "/bot<token>/<method>"
  [[nodiscard]] std::int64_t chat() const;                       ///< A private chat of it.

  /// Makes a bot at the upstream alone. @returns its token
  std::string make_stranger();

  /// A fault for one method, or for all with an empty name.
  void fail(sandbox::fault_kind kind, std::string_view method, std::uint64_t count = 0,
            const fault_terms& terms = {});
  void mend(); ///< Removes all faults; what hangs ends.
  /// Requests of a method that the upstream has finished, answered or not.
  [[nodiscard]] std::uint64_t seen(std::string_view method);

  [[nodiscard]] pool_report pool();
  [[nodiscard]] governor_report governor();
  [[nodiscard]] health_report health();
  [[nodiscard]] bot_report bot_state();
  [[nodiscard]] std::size_t calls(); ///< Under way at the gateways.
  [[nodiscard]] const directory& names() const;
  [[nodiscard]] caf::actor_system& system();
  [[nodiscard]] store_actor store();         ///< With `stored`; empty while it is being restarted.
  [[nodiscard]] registrar_actor registrar(); ///< The same.

  void drain();      ///< The gateways take no more work.
  void stop_lanes(); ///< Before the actors, which no node does: nothing on them goes on.

  /// Kills the actor; its supervisor starts another. A gateway's is the first lane's.
  void kill(service which);
  void kill_bot();
  void kill_gateways(); ///< All of them.
  /// Whether a new actor has taken the killed one's place.
  [[nodiscard]] bool replaced(service which);

  /// Whether nothing is held or awaited: no calls, no leases, nobody waiting, all credits at home.
  [[nodiscard]] bool at_rest();
  /// What at_rest looks at, for messages.
  [[nodiscard]] std::string load();

  [[nodiscard]] const log::capture& lines() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::integration

#pragma once
#include "actors/bot/bot.hpp"
#include "actors/bots/bots.hpp"
#include "actors/cluster/finder.hpp"
#include "actors/delivery/delivery.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/health/health.hpp"
#include "actors/journal/journal.hpp"
#include "actors/poller/poller.hpp"
#include "actors/rate_governor/rate_governor.hpp"
#include "actors/recorder/recorder.hpp"
#include "actors/registrar/registrar.hpp"
#include "actors/session_pool/session_pool.hpp"
#include "actors/supervisor/supervisor.hpp"
#include "actors/webhooks/webhooks.hpp"
#include "runtime/policy/silence_watch.hpp"
#include "runtime/registry/told_limits.hpp"
#include "runtime/registry/update_meter.hpp"
#include "runtime/registry/update_services.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace troupe {

/// Every actor's settings. `bots.spawn`, `bots.found` and `bots.limits`, and `pool.lanes`, are the
/// tree's own. `bots.passivation.max_active` is that of all shards together.
struct tree_config {
  std::size_t intensity = 5; ///< Of the supervisors of services and ingress, see supervisor_spec.
  caf::timespan period = std::chrono::seconds{10};
  caf::timespan pause = std::chrono::milliseconds{50};
  caf::timespan shutdown_deadline = std::chrono::seconds{5}; ///< Of each of their children.
  std::size_t shards = 1;                                    ///< Supervisors of bots.
  directory_limits names;
  health_config health;
  rate_governor_config budgets;
  session_pool_config pool;
  bot_config bot;
  bots_config bots;
  gateway_config gateway;
  registrar_config registrar;
  recorder_config recorder;
  journal_config journal;
  delivery_config delivery;
  webhooks_config webhooks;
  poller_config poller;
};

/// What the tree needs from outside.
struct tree_ports {
  const net::lanes* lanes = nullptr; ///< One gateway each. Not empty, save in a simulation; outlive
                                     ///< the tree.
  net::upstream_options upstream;
  net::dns_options dns;
  unseen_past past = unseen_past::none(); ///< See rate_governor_ports.
  /// The gateways' listeners; null: plain HTTP. Asked at each start of a gateway.
  std::function<std::shared_ptr<boost::asio::ssl::context>()> tls;
  call_meter meter;
  std::vector<child_spec> ingress; ///< More listeners, started after the gateways.
  /// Spawns the store; empty: nothing is stored, and no bot is registered.
  std::function<store_actor(caf::actor_system&)> store;
  /// Where the store runs its SQL: the journal does, too. Empty: no updates are kept.
  std::shared_ptr<storage::sql_port> sql;
  /// By which a bot's relayed updates are signed. Empty: they are not.
  std::function<std::string(bot_id)> signing_key;
  std::string delivery_ca_file; ///< PEM file of authorities for tenants' URLs; empty: the system's.
  update_meter count_updates;   ///< May be empty.
  /// See bots_config. May be empty.
  std::function<void(caf::timespan)> bot_activated;
  std::function<void()> bot_evicted;
  wall_clock wall = wall_now;           ///< Of those who deal with updates.
  std::shared_ptr<native::pool> native; ///< Runs native handlers; null: there are none.
  /// The secrets of webhooks at Telegram. Needed with a store.
  std::shared_ptr<const updates::webhook_secret> webhook_secret;
  /// Told of each poll's updates: stored, and stored before. May be empty.
  std::function<void(std::uint64_t, std::uint64_t)> count_polled;
  /// The keyed hash by which the store knows virtual tokens. Needed with a store.
  std::function<std::string(std::string_view)> virtual_hash;
  /// In a simulation, which has no lanes: what they would carry. Null: the real ones.
  std::shared_ptr<net::session_port> sessions;
  std::shared_ptr<net::call_port> calls;
  std::shared_ptr<relay::port> relayed;
  /// By which tokens are hashed. Not given: drawn anew.
  std::optional<siphash_key> token_key;
  /// This node among others; null for a node by itself. With it, `join` spawns the actor of its
  /// membership.
  std::shared_ptr<cluster_view> cluster;
  std::function<cluster_actor(caf::actor_system&, std::vector<std::function<caf::actor()>> rooms)>
    join;
  /// This life of the node among the holders of budget slices: a number that no other has.
  std::uint64_t holder = 0;
  /// Told of each actor that a supervisor of the tree, or a shard of bots, starts. May be empty.
  std::function<void(std::string_view supervisor, std::string_view child, const caf::actor&)>
    started;
};

/// A node's actors. Everything in it is started, restarted and stopped through its root.
class tree {
public:
  tree(caf::actor_system& sys, tree_config config, tree_ports ports);
  ~tree();

  tree(const tree&) = delete;
  tree& operator=(const tree&) = delete;

  /// Starts all actors. @throws std::runtime_error when they do not all run within 30 s
  void start();

  /// Starts them, and does not wait until they run: for who turns the wheels himself.
  supervisor_actor launch();

  /// Forgets the root: `stop` waits for nobody then. For who saw its end himself.
  void forget() { root_.publish({}); }

  /// Stops them in reverse order; returns when none is left. The second call does nothing.
  void stop();

  /// Takes over what can change while the actors run: the limits of health, governor, pool,
  /// journal and delivery, who leaves memory (`bots.passivation`), and all of `bot`. The rest of
  /// `config` is left as it was. From any thread.
  void reconfigure(const tree_config& config);

  /// Starts a bot whose token the upstream is known to accept. @returns its id
  /// @param token A well-formed bot token
  bot_id start_bot(std::string_view token);

  /// Tells the gateways to refuse new work, and bots to begin no delivery.
  void drain();

  /// Calls that are under way at the gateways. Blocks until they answer, a second at most for each.
  [[nodiscard]] std::size_t calls() const;

  /// Updates that are with receivers.
  [[nodiscard]] std::size_t deliveries() const;
  /// Those whose end is not stored yet.
  [[nodiscard]] std::size_t ending() const;

  /// Whether the root supervisor gave up, or was stopped.
  [[nodiscard]] bool ended() const noexcept { return *ended_; }

  /// Empty before `start` and after `stop`. From any thread, as the other handles.
  [[nodiscard]] supervisor_actor root() const { return root_.get(); }
  [[nodiscard]] std::vector<gateway_actor> gateways() const;
  [[nodiscard]] store_actor store() const { return store_->get(); }
  [[nodiscard]] registrar_actor registrar() const { return registrar_.get(); }
  /// What the desk for other nodes is made of. @pre there is a cluster; outlives the tree
  [[nodiscard]] desk_ports for_others() const;
  /// The store as a function that may outlive the tree.
  [[nodiscard]] std::function<store_actor()> store_port() const {
    return [slot = store_] { return slot->get(); };
  }
  [[nodiscard]] const std::shared_ptr<services>& found() const noexcept { return found_; }
  [[nodiscard]] const std::shared_ptr<directory>& names() const noexcept { return names_; }

private:
  /// Limits as they are now: of actors that run and of those that will be started.
  struct live_limits {
    health_limits health;
    rate_limits budgets;
    pool_limits pool;
  };

  template <class Handle, class Limits, class Spawn>
  caf::actor start_service(service_slot<Handle>& slot, Limits live_limits::*which, Spawn spawn);
  supervisor_spec spec(std::string name, std::vector<child_spec> children) const;
  /// The same children; `ports_.started` hears of their starts.
  supervisor_spec told(supervisor_spec of) const;
  child_spec child(std::string id, std::function<caf::actor(caf::actor_system&)> start) const;
  supervisor_spec durable_spec();
  std::vector<std::function<caf::actor()>> rooms() const;
  caf::actor start_journal(caf::actor_system& system);
  caf::actor start_delivery(caf::actor_system& system);
  caf::actor start_webhooks(caf::actor_system& system);
  caf::actor start_poller(caf::actor_system& system);
  registrar_ports ports_of_registrar();
  supervisor_spec services_spec();
  supervisor_spec bots_spec();
  supervisor_spec ingress_spec();
  gateway_ports ports_of(std::size_t lane);

  caf::actor_system& sys_;
  tree_config config_;
  tree_ports ports_;
  told_limits<live_limits> limits_;
  std::shared_ptr<live_bot_config> bot_;
  std::shared_ptr<live_value<passivation_limits>> passivation_; ///< Of one shard.
  live_value<journal_limits> journal_limits_;
  live_value<delivery_limits> delivery_limits_;
  std::shared_ptr<relay::port> relay_; ///< Null without a store.
  std::shared_ptr<services> found_;
  std::shared_ptr<directory> names_;
  siphash_key token_key_;
  std::shared_ptr<grant_memory> memory_ = std::make_shared<grant_memory>();
  std::vector<std::shared_ptr<net::upstream_sessions>> sessions_; ///< One per lane.
  std::deque<service_slot<gateway_actor>> gateways_;              ///< One per lane.
  /// Clients' connections, over all lanes.
  std::shared_ptr<std::atomic<std::size_t>> connections_ =
    std::make_shared<std::atomic<std::size_t>>(0);
  service_slot<supervisor_actor> root_;
  /// Shared with the connections, which may outlive the tree.
  std::shared_ptr<service_slot<store_actor>> store_ = std::make_shared<service_slot<store_actor>>();
  service_slot<registrar_actor> registrar_;
  std::shared_ptr<service_slot<recorder_actor>> recorder_ =
    std::make_shared<service_slot<recorder_actor>>();
  std::shared_ptr<std::atomic<std::uint64_t>> registrars_ =
    std::make_shared<std::atomic<std::uint64_t>>(0);
  std::shared_ptr<token_vault> vault_ = std::make_shared<token_vault>();
  std::shared_ptr<virtual_tokens> virtuals_; ///< Null without a store.
  std::shared_ptr<usage_book> usage_ = std::make_shared<usage_book>();
  std::shared_ptr<silence_watch> silence_; ///< Of updates.
  /// Shared: set by the root when it ends, which may be after `stop` was told.
  std::shared_ptr<std::atomic<bool>> ended_ = std::make_shared<std::atomic<bool>>(false);
};

} // namespace troupe

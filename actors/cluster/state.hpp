#pragma once
#include "actors/cluster/cluster.hpp"
#include "actors/cluster/inlet.hpp"
#include "actors/cluster/world.hpp"
#include "runtime/policy/node_lease.hpp"
#include "runtime/registry/slice_desk.hpp"

#include <caf/disposable.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <map>
#include <optional>
#include <unordered_map>

/// The state of a node's membership; for the files of this folder only.
namespace troupe::clustering {

/// `ok_atom`: other threads have something for it.
using cluster_impl = cluster_actor::extend<caf::result<void>(caf::ok_atom)>;

/// Of a slice of the global budget: short, since a new leader waits for all that an earlier one
/// granted.
inline constexpr std::chrono::seconds slice_length{1};

/// How a shard stands with this node.
enum class holding : std::uint8_t {
  none,
  gaining, ///< Ours; the rooms are being told.
  serving,
  leaving, ///< Ours; the rooms give it up.
};

/// Another node.
struct peer {
  etcd::lease_id life = 0;
  bool known = false; ///< It said who it is.
  caf::actor desk;
};

/// A question to the leader that went by way of etcd.
struct letter {
  std::uint64_t number = 0;
  caf::typed_response_promise<slice_given> answer;
};

struct cluster_state {
  static inline const char* name = "troupe.cluster";

  cluster_state(cluster_impl::pointer self, cluster_config config, cluster_ports ports);
  cluster_impl::behavior_type make_behavior();

  // -- membership.cpp: the lease

  void begin();
  void join();
  void enroll();
  void enrolled(const etcd::result& said);
  void read_world();
  void follow(etcd::revision from);
  void hear(const etcd::watch_news& news);
  void keep();
  void arm_keep();
  void lose(std::string_view why);
  void end_lease();
  void drop_rooms(shards_lost all, std::size_t room);
  void dropped();
  void stop();

  // -- leading.cpp: on the node that is elected

  void campaign();
  void lead();
  [[nodiscard]] bool leads() const;
  caf::result<slice_given> give_slice(const slice_ask& x);
  caf::result<slices_given> give_slices(const slices_ask& x);
  template <class Given, class Ask>
  caf::result<Given> give(const Ask& x);
  void note(const slice_given& x) { slice = x.count; }
  void note(const slices_given& x);
  caf::result<done> drain(const cluster_drain& x);
  caf::result<done> leave();
  caf::result<done> renew(const cluster_renew& x);
  void keep_record(const node_record& registered);
  void check_left();

  // -- letters.cpp: asking a leader that cannot be reached

  caf::result<slice_given> write_letter(const slice_ask& x);
  caf::result<slices_given> write_letter(const slices_ask& x);
  bool read_letter(const etcd::entry& x);
  void answer_letter(const std::string& from, const etcd::entry& x);
  void drop_letter();

  // -- owning.cpp: shards

  void reconcile();
  void own();
  [[nodiscard]] bool keeps_shards() const;
  void claim(std::vector<shard_id> wanted);
  void gained(std::vector<shard_hold> what, std::size_t room);
  void release(std::vector<shard_id> what);
  void released(std::vector<shard_id> what, std::size_t room);
  void give_back(std::vector<shard_id> what);

  // -- peers.cpp: other nodes

  void meet();
  void tell_trusted();
  void dial(const std::string& name);
  [[nodiscard]] bool dials(const std::string& name) const { return cfg.node < name; }
  void dialed(const std::string& name, etcd::lease_id life, caf::actor desk);
  void dial_later(const std::string& name, etcd::lease_id life);
  void forget_peer(const std::string& name);
  void reached(const std::string& name, peer& x);
  void lost_desk(const caf::actor_addr& who);
  void publish();
  caf::result<peer_welcome> welcome(const peer_hello& x);
  [[nodiscard]] caf::actor desk_of(const std::string& name) const;
  cluster_report report() const;

  // -- asking

  /// Asks etcd; `then` runs on this actor, unless the node's life is another one by then.
  void ask(etcd::request what, std::chrono::milliseconds limit,
           std::function<void(const etcd::result&)> then);
  /// The same, for what has to go on whichever life it is.
  void ask_always(etcd::request what, std::chrono::milliseconds limit,
                  std::function<void(const etcd::result&)> then);
  /// Runs `what` after a pause, in the same life.
  void later(caf::timespan pause, std::function<void()> what);
  void run_inlet();
  [[nodiscard]] time_point now() const { return self->clock().now(); }
  [[nodiscard]] bool member() const { return in && keeper && keeper->holds(now()); }

  cluster_impl::pointer self;
  cluster_config cfg;
  cluster_ports ports;
  key_space keys;
  std::shared_ptr<inlet> outside;
  /// What follows etcd's answers. It stays here: promises in it count their owners without a lock,
  /// so no other thread may let go of one.
  std::unordered_map<std::uint64_t, std::function<void(const etcd::result&)>> awaited;
  std::uint64_t last_awaited = 0;

  std::uint64_t era = 0; ///< Counts lives: answers to earlier ones are of no use.
  bool in = false;       ///< Registered, and the world is read.
  bool ending = false;
  etcd::lease_id lease = 0;
  std::optional<node_lease> keeper;
  caf::disposable keep_timer;
  std::uint64_t watch = 0;
  bool told_waiting = false; ///< The log says that the name is taken.
  world seen;

  bool campaigning = false;
  bool planning = false;
  bool going = false;     ///< The node is about to stop.
  bool recording = false; ///< What the node's key says is being written.
  std::vector<caf::typed_response_promise<done>> leavers;
  std::vector<caf::typed_response_promise<done>> renewers;
  slice_desk book; ///< Of the leader.
  std::int64_t book_epoch = 0;
  std::uint32_t slice = 0;     ///< What this node's governor was given last.
  std::optional<letter> asked; ///< By way of etcd.
  caf::actor mute;             ///< The leader's desk, if it did not answer the last question.

  std::array<holding, shard_count> held{};
  std::array<std::int64_t, shard_count> fences{};
  std::size_t claiming = 0; ///< Claims under way.
  std::map<std::string, peer> peers;
  bool trusting_later = false; ///< Who is trusted could not be written down.
};

} // namespace troupe::clustering

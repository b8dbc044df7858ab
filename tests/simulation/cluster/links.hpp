#pragma once
#include "tests/simulation/agenda.hpp"
#include "tests/simulation/cluster/plan.hpp"

#include <caf/actor.hpp>
#include <caf/message.hpp>
#include <caf/message_id.hpp>

#include <array>
#include <deque>
#include <functional>
#include <map>

namespace troupe::simulation::clustered {

struct universe;

/// One connection between each two nodes, as of TCP: in order, or it ends. An actor of another node
/// is a proxy here; whoever watches it learns when the connection ends.
class links {
public:
  explicit links(universe& world) : world_(world) {}

  /// `then` gets the proxy of that node's desk, or nothing.
  void dial(std::size_t from, const std::string& address, std::function<void(caf::actor)> then);
  /// Of a proxy at `from`.
  void send(std::size_t from, std::size_t to, caf::actor_id whom, caf::strong_actor_ptr sender,
            caf::message_id id, caf::message what);
  /// The connection between two ends; each learns it.
  void end(std::size_t a, std::size_t b);
  /// A node's process is gone, and all that it knew.
  void forget(std::size_t node);
  /// It is silent from now on: others give it up.
  void silent(std::size_t node);

  void cut(std::size_t a, std::size_t b, duration length);
  void block(std::size_t from, std::size_t to, duration length);
  void slow(std::size_t a, std::size_t b, duration length);

private:
  struct pair_state {
    bool up = false;
    std::uint64_t epoch = 1;
    int cut = 0;
    int slow = 0;
  };
  struct way_state {
    int blocked = 0;
    std::deque<std::function<void()>> held;
    time_point last{};
  };
  using way = std::pair<std::size_t, std::size_t>;

  pair_state& between(std::size_t a, std::size_t b) { return pairs_[std::minmax(a, b)]; }
  caf::strong_actor_ptr proxy(std::size_t at, std::size_t of, caf::actor_id whom);
  caf::actor_id known(std::size_t at, const caf::strong_actor_ptr& who);
  void drop_proxies(std::size_t at, std::size_t of);
  [[nodiscard]] bool passes(std::size_t a, std::size_t b);

  universe& world_;
  std::map<way, pair_state> pairs_;
  std::map<way, way_state> ways_;
  std::map<std::pair<way, caf::actor_id>, caf::strong_actor_ptr> proxies_;
  std::map<std::pair<std::size_t, caf::actor_id>, caf::weak_actor_ptr> known_;
};

} // namespace troupe::simulation::clustered

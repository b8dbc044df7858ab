#pragma once
#include "runtime/log/capture.hpp"
#include "runtime/store/database.hpp"
#include "tests/simulation/cluster/etcd.hpp"
#include "tests/simulation/cluster/judge.hpp"
#include "tests/simulation/cluster/links.hpp"
#include "tests/simulation/cluster/run.hpp"

#include <array>
#include <map>
#include <memory>
#include <string>

namespace troupe::simulation::clustered {

class node;

/// How a client's call stands.
struct call_state {
  bool begun = false;
  int answers = 0;
  std::string how;
  std::size_t node = 0;
  time_point deadline{};
};

/// All nodes and what is between them, in one order that a seed decides.
struct universe {
  universe(const plan& what, const run_options& how);
  ~universe();

  result run();

  // -- time

  [[nodiscard]] time_point local_of(std::size_t node, time_point real) const;
  [[nodiscard]] time_point real_of(std::size_t node, time_point local) const;
  [[nodiscard]] time_point local_now(std::size_t node) const { return local_of(node, now); }
  void later(duration pause, std::function<void()> what) { plans.at(now + pause, std::move(what)); }

  // -- what reaches whom

  [[nodiscard]] bool reaches_etcd(std::size_t node) const { return etcd_cut[node] == 0; }
  [[nodiscard]] duration way_to_etcd(std::size_t node);
  [[nodiscard]] duration way();
  /// Something comes to this life of a node: it waits while the node is paused.
  void deliver(std::size_t node, std::uint64_t life, std::function<void()> what);
  [[nodiscard]] node* living(std::size_t at) { return nodes[at].get(); }

  // -- what happens

  void key_changed(const etcd::entry& now_valid, bool deleted);
  void begin_call(std::size_t i);
  void end_call(std::size_t i, std::string how);
  void start(std::size_t at);
  void kill(std::size_t at);
  void pause(std::size_t at);
  void resume(std::size_t at);
  void inflict(const fault& x);
  void tell(const std::string& what) const;

  const plan& what;
  run_options how;
  log::capture log{log::level::info};
  dice luck;
  agenda plans;
  time_point now = beginning;
  judge verdict;
  etcd_server etcd;
  links net;
  store::database db;
  std::array<std::unique_ptr<node>, node_count> nodes;
  std::array<std::uint64_t, node_count> lives{};
  std::array<int, node_count> etcd_cut{};
  std::array<int, node_count> etcd_slow{};
  int etcd_away = 0;
  int store_slow = 0;
  bool draining = false;
  std::uint64_t holders = 0;
  std::vector<call_state> calls;
  std::map<std::string, std::uint64_t> happened;
  std::map<std::string, std::uint64_t> endings;

private:
  bool advance();
  bool step();
  void look();
  void look_at_owners();
  [[nodiscard]] std::string unrest();
  void measure(time_point from);
  void spell(int& which, const fault& x);
  void isolate(const fault& x);
  void tell_log();

  std::uint64_t steps_ = 0;
  std::size_t told_ = 0;
  time_point looked_{};
};

} // namespace troupe::simulation::clustered

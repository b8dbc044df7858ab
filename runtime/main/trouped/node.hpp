#pragma once
#include "messages/handles.hpp"
#include "runtime/config/settings.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>

#include <memory>
#include <vector>

namespace troupe {

/// One running node: I/O lanes, the supervision tree, the listeners. Everything in it is started
/// and stopped through the tree.
class node {
public:
  /// Starts everything. @throws std::runtime_error with a sentence for people when an address
  /// cannot be bound or a file cannot be read
  node(caf::actor_system& sys, const config::settings& settings);
  ~node();

  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// Refuses new work, lets calls under way finish for at most `node.drain-timeout`. Returns early
  /// when `cut_short()` says so. @returns calls that were still under way
  std::size_t drain(const std::function<bool()>& cut_short);

  /// Takes over the settings that can change while the node runs.
  void reconfigure(const config::settings& settings);

  /// Reads the master keys again, and seals everything anew if there is another. Blocks.
  void renew_keys();

  /// Stops the tree in reverse order of its start, then the lanes.
  void stop();

  /// Whether the root supervisor gave up.
  [[nodiscard]] bool failed() const;

  /// Once a second: marks the time at which the node last could make requests (see past()).
  void tick();

private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

} // namespace troupe

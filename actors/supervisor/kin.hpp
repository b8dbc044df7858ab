#pragma once
#include <caf/actor_control_block.hpp>

#include <cstdint>
#include <mutex>
#include <vector>

namespace troupe {

/// Sends `exit_reason::kill` past everything else that waits in the mailbox.
void kill_now(const caf::strong_actor_ptr& whom);

/// The children alive under one supervisor, known outside of it: when it is killed, and so cannot
/// stop them, they are killed for it. The next incarnation takes over what still lives and waits
/// for its end, so that no service ever runs twice. Thread-safe.
class kin {
public:
  /// A new incarnation begins.
  /// @param left receives the children of the one before that may still live, killed already.
  /// @returns the incarnation's number, for the other calls.
  std::uint64_t begin(std::vector<caf::strong_actor_ptr>& left);

  void add(std::uint64_t incarnation, const caf::strong_actor_ptr& child);
  void remove(std::uint64_t incarnation, caf::actor_id child);

  /// The supervisor is dead: kills the children of that incarnation, if they are still its own.
  void orphaned(std::uint64_t incarnation);

private:
  std::mutex mutex_;
  std::uint64_t incarnation_ = 0;
  std::vector<caf::strong_actor_ptr> children_;
};

} // namespace troupe

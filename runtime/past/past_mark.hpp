#pragma once
#include "runtime/policy/grant_engine.hpp"

#include <string>

namespace troupe {

/// What may have been used of the windows that are still open when the last mark is `age` old. A
/// negative age means that the clock was set back: then anything may have been.
[[nodiscard]] unseen_past unseen_after(duration age) noexcept;

/// Remembers over restarts when this node last could make requests, so that a new governor knows
/// how much of the past it must treat as full: a node that was away for a minute has an empty past,
/// one that crashed a moment ago a full one. The mark is the change time of the file `last-active`
/// in the data directory; what is written in it does not matter. Without a file there was no node,
/// and the past is empty; a file whose time cannot be read is taken for one of this moment.
class past_mark {
public:
  /// Reads the mark, then marks the present.
  /// @throws std::runtime_error when the directory cannot be made or the file not written
  explicit past_mark(const std::string& data_dir);

  /// What the last node may have used of the windows that were open at construction.
  [[nodiscard]] const unseen_past& unseen() const noexcept { return unseen_; }

  /// Marks the present; called once a second, and as often as that while the node drains.
  /// @throws std::runtime_error when the file cannot be written
  void touch();

private:
  std::string file_;
  unseen_past unseen_;
};

} // namespace troupe

#pragma once
#include "runtime/policy/grant_engine.hpp"

#include <string>

namespace troupe {

/// Remembers over restarts when this node last could make requests, so that a new governor knows
/// how much of the past it must treat as full: a node that was away for a minute has an empty past,
/// one that crashed a moment ago a full one. The mark is the change time of a file in the data
/// directory.
class past_mark {
public:
  /// @throws std::runtime_error when the directory cannot be made or the file not written
  explicit past_mark(const std::string& data_dir);

  /// What the last node may have used of the windows that are still open.
  [[nodiscard]] const unseen_past& unseen() const noexcept { return unseen_; }

  /// Marks the present; called once a second.
  void touch();

private:
  std::string file_;
  unseen_past unseen_;
};

} // namespace troupe

#pragma once
#include <filesystem>
#include <string>

/// A data directory belongs to one process at a time.
namespace troupe::system {

/// Holds the lock of a data directory (flock on DIR/node.lock) until it is destroyed, or the process
/// ends in whatever way: the kernel gives it back.
class data_lock {
public:
  /// Makes the directory if there is none. @throws std::runtime_error with a sentence for people when
  /// another process holds it (named, with its process id), or the file cannot be made
  explicit data_lock(const std::filesystem::path& directory);
  ~data_lock();

  data_lock(data_lock&& other) noexcept;
  data_lock& operator=(data_lock&&) = delete;

  /// Whether the directory has a lock file: nodes that lock were started there.
  [[nodiscard]] static bool exists(const std::filesystem::path& directory);

private:
  int file_ = -1;
};

} // namespace troupe::system

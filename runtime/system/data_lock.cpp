#include "runtime/system/data_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace troupe::system {
namespace {

std::filesystem::path lock_file(const std::filesystem::path& directory) {
  return directory / "node.lock";
}

/// What the holder wrote: " (process 123)", or nothing.
std::string holder_of(int file) {
  char text[32];
  auto n = ::pread(file, text, sizeof text, 0);
  std::string id{text, n > 0 ? static_cast<std::size_t>(n) : 0};
  id = id.substr(0, id.find_first_not_of("0123456789"));
  return id.empty() ? "" : " (process " + id + ")";
}

} // namespace

data_lock::data_lock(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  auto path = lock_file(directory);
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file_ < 0)
    throw std::runtime_error{"cannot make " + path.string() + ": " + std::strerror(errno)};
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    auto why = errno == EWOULDBLOCK
                 ? "the data directory " + directory.string() + " is in use by another node"
                     + holder_of(file_) + "; stop it, or give this one a data directory of its own"
                 : "cannot lock " + path.string() + ": " + std::strerror(errno);
    ::close(std::exchange(file_, -1));
    throw std::runtime_error{why};
  }
  // For people alone; the lock is what counts.
  auto id = std::to_string(::getpid()) + '\n';
  if (::ftruncate(file_, 0) == 0 && ::pwrite(file_, id.data(), id.size(), 0) < 0)
    errno = 0;
}

data_lock::data_lock(data_lock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

data_lock::~data_lock() {
  if (file_ >= 0)
    ::close(file_);
}

bool data_lock::exists(const std::filesystem::path& directory) {
  std::error_code ignored;
  return std::filesystem::exists(lock_file(directory), ignored);
}

} // namespace troupe::system

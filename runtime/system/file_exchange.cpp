#include "runtime/system/file_exchange.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace troupe::system {
namespace {

namespace fs = std::filesystem;

/// `path` with `ending` behind its name.
fs::path with(fs::path path, const char* ending) {
  path += ending;
  return path;
}

void check(const std::error_code& failed, const fs::path& path) {
  if (failed)
    throw std::runtime_error{"cannot write " + path.string() + ": " + failed.message()};
}

void move(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  if (!fs::exists(from))
    return; // Moved before the crash.
  fs::rename(from, to, failed);
  check(failed, to);
}

} // namespace

void sync_path(const fs::path& path) {
  auto flags = fs::is_directory(path) ? O_RDONLY | O_DIRECTORY : O_RDONLY;
  auto file = ::open(path.c_str(), flags | O_CLOEXEC);
  auto failed = file < 0 || ::fsync(file) != 0;
  if (file >= 0)
    ::close(file);
  if (failed)
    throw std::runtime_error{"cannot write " + path.string()};
}

void begin_exchange(const fs::path& source, const fs::path& target) {
  std::error_code failed;
  fs::create_directories(target.parent_path(), failed);
  auto draft = with(target, ".restored");
  if (!fs::copy_file(source, draft, fs::copy_options::overwrite_existing, failed) || failed)
    throw std::runtime_error{"cannot copy " + source.string() + " to " + draft.string() + ": "
                             + failed.message()};
  fs::permissions(draft, fs::perms::owner_read | fs::perms::owner_write, failed);
  check(failed, draft);
  sync_path(draft);
  // Whole, and on the disk: this name says so, and decides.
  move(draft, with(target, ".restoring"));
  sync_path(target.parent_path());
}

bool finish_exchange(const fs::path& target) {
  auto fresh = with(target, ".restoring");
  if (!fs::exists(fresh))
    return false;
  auto before = with(target, ".before-restore");
  std::error_code failed;
  if (fs::exists(target)) { // Else what was there is there already, and must not lose its log.
    fs::remove(with(before, "-wal"), failed);
    check(failed, before);
  }
  move(target, before);
  move(with(target, "-wal"), with(before, "-wal"));
  fs::remove(with(target, "-shm"), failed);
  check(failed, with(target, "-shm"));
  sync_path(target.parent_path()); // The log of the old one is gone before the new one comes.
  move(fresh, target);
  sync_path(target.parent_path());
  return true;
}

} // namespace troupe::system

#include "runtime/api/ctl_line.hpp"

#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

// Copies of the store, and putting one back.
namespace troupe::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

int backup(const ctl_call& from) {
  std::error_code failed;
  auto path = fs::absolute(from.words[0], failed);
  json::object body{{"path", path.string()}};
  auto answer = ask_node(from, "POST", "/v1/backups", &body);
  if (!shown_as_json(from, answer))
    from.world.out << "the store is copied into " << shown_member(answer.as_object(), "path")
                   << " (" << shown_member(answer.as_object(), "bytes") << " bytes, "
                   << shown_seconds(answer.as_object().at("took_seconds"))
                   << ").\nWithout the master key the tokens in it cannot be opened: keep both, "
                      "apart from each other.\n";
  return 0;
}

bool is_database(const fs::path& path) {
  std::string head(16, '\0');
  std::ifstream in{path, std::ios::binary};
  in.read(head.data(), 16);
  return in && head == std::string_view{"SQLite format 3\0", 16};
}

/// Puts what was written to `path` on the disk.
void sync(const fs::path& path, int flags) {
  auto file = ::open(path.c_str(), flags);
  auto failed = file < 0 || ::fsync(file) != 0;
  if (file >= 0)
    ::close(file);
  if (failed)
    throw std::runtime_error{"cannot write " + path.string()};
}

/// Whether a process has the database open: SQLite's files beside it are there as long as one does,
/// or after one that was killed.
bool is_in_use(const fs::path& database) {
  std::error_code ignored;
  return fs::exists(database.string() + "-wal", ignored)
         || fs::exists(database.string() + "-shm", ignored);
}

int restore(const ctl_call& from) {
  fs::path source = from.words[0];
  fs::path target = from.option("database");
  if (target.empty() && !from.has("data-dir"))
    throw usage_error{"restore needs --data-dir=DIR, the data directory of a node that is stopped, or "
                      "--database=FILE if its store.uri names another file"};
  if (target.empty())
    target = fs::path{from.option("data-dir")} / "troupe.db";
  target = fs::absolute(target);
  if (!is_database(source))
    throw std::runtime_error{source.string() + " is no copy of a store"};
  if (is_in_use(target) && !from.has("force"))
    throw std::runtime_error{"a node seems to use " + target.string()
                             + "; stop it first. If it was killed, start and stop it once, or add "
                               "--force to give up what it stored last"};
  auto draft = target;
  draft += ".restored";
  std::error_code failed;
  fs::create_directories(target.parent_path(), failed);
  if (!fs::copy_file(source, draft, fs::copy_options::overwrite_existing, failed) || failed)
    throw std::runtime_error{"cannot copy " + source.string() + " to " + draft.string() + ": "
                             + failed.message()};
  fs::permissions(draft, fs::perms::owner_read | fs::perms::owner_write, failed);
  sync(draft, O_WRONLY);
  auto before = target;
  before += ".before-restore";
  if (fs::exists(target, failed))
    fs::rename(target, before, failed);
  // They belong to the database that was there.
  fs::remove(target.string() + "-wal", failed);
  fs::remove(target.string() + "-shm", failed);
  fs::rename(draft, target, failed);
  if (failed)
    throw std::runtime_error{"cannot write " + target.string() + ": " + failed.message()};
  sync(target.parent_path(), O_RDONLY | O_DIRECTORY);
  from.world.out << "restored " << target.string();
  if (fs::exists(before, failed))
    from.world.out << "; what was there is " << before.string();
  from.world.out << ".\nStart the node with the master key that the copy was made under.\n";
  return 0;
}

constexpr command table[] = {
  {"backup", "FILE", "", "copy the store of a running node into a file on its disk", backup},
  {"restore", "FILE", "database= force",
   "put a copy back into --data-dir=DIR (or --database=FILE) of a stopped node", restore},
};

} // namespace

std::span<const command> store_commands() {
  return table;
}

} // namespace troupe::api

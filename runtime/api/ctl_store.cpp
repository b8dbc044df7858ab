#include "runtime/api/ctl_line.hpp"
#include "runtime/system/data_lock.hpp"
#include "runtime/system/file_exchange.hpp"

#include <boost/json/serialize.hpp>

#include <filesystem>
#include <fstream>

#include <pwd.h>
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

/// Whether a process has the database open: SQLite's files beside it are there as long as one does,
/// or after one that was killed.
bool is_in_use(const fs::path& database) {
  std::error_code ignored;
  return fs::exists(database.string() + "-wal", ignored)
         || fs::exists(database.string() + "-shm", ignored);
}

/// What the node enters in the trail at its next start: who put which copy there.
fs::path write_note(const fs::path& target, const fs::path& source) {
  auto* user = ::getpwuid(::geteuid());
  json::object note{{"by", user != nullptr ? user->pw_name : std::to_string(::geteuid())},
                    {"source", fs::absolute(source).string()}};
  auto path = target;
  path += ".restored-by";
  std::ofstream out{path};
  out << json::serialize(note);
  out.close();
  if (!out)
    throw std::runtime_error{"cannot write " + path.string()};
  system::sync_path(path);
  return path;
}

int restore(const ctl_call& from) {
  fs::path source = from.words[0];
  fs::path target = from.option("database");
  if (target.empty() && !from.has("data-dir"))
    throw usage_error{"restore needs --data-dir=DIR, the data directory of a node that is stopped, or "
                      "--database=FILE if its store.uri names another file"};
  bool named = !target.empty();
  if (!named)
    target = fs::path{from.option("data-dir")} / "troupe.db";
  target = fs::absolute(target);
  if (!is_database(source))
    throw std::runtime_error{source.string() + " is no copy of a store"};
  // While this lives no node starts there.
  auto data = from.has("data-dir") ? fs::absolute(from.option("data-dir")) : target.parent_path();
  system::data_lock alone{data};
  if (named && is_in_use(target) && !from.has("force"))
    throw std::runtime_error{"a node seems to use " + target.string()
                             + "; stop it first. If it was killed, start and stop it once, or add "
                               "--force to give up what it stored last"};
  system::finish_exchange(target); // One that broke off.
  fs::create_directories(target.parent_path());
  auto note = write_note(target, source);
  try {
    system::begin_exchange(source, target);
  } catch (...) {
    std::error_code ignored;
    fs::remove(note, ignored);
    throw;
  }
  system::finish_exchange(target);
  from.world.out << "restored " << target.string();
  auto before = target;
  before += ".before-restore";
  std::error_code ignored;
  if (fs::exists(before, ignored))
    from.world.out << "; what was there is " << before.string();
  from.world.out << ".\nStart the node with the master key that the copy was made under.\n";
  return 0;
}

constexpr command store_command_table[] = {
  {"backup", "FILE", "", "copy the store of a running node into a file on its disk", backup},
  {"restore", "FILE", "database= force",
   "put a copy back into --data-dir=DIR (or --database=FILE) of a stopped node", restore},
};

} // namespace

std::span<const command> store_commands() {
  return store_command_table;
}

} // namespace troupe::api

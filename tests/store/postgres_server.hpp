#pragma once
#include "tests/child_process.hpp"

#include <caf/test/unit_test.hpp>

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

namespace troupe::store {

/// A PostgreSQL of our own: in a temporary directory, reached by a Unix socket in it. Ends with
/// this object, and with this process however that ends (PR_SET_PDEATHSIG).
class postgres_server {
public:
  postgres_server() {
    std::string name = "/tmp/troupe-pg-XXXXXX"; // A socket's path must be short.
    if (::mkdtemp(name.data()) == nullptr)
      CAF_FAIL("no temporary directory: " << name);
    dir_ = name;
    if (::geteuid() == 0) {
      user_ = ::getpwnam("postgres");
      if (user_ == nullptr || ::chown(dir_.c_str(), user_->pw_uid, user_->pw_gid) != 0)
        CAF_FAIL("PostgreSQL does not run as root, and there is no user postgres");
    }
    wait_for(run({"initdb", "-D", data(), "-U", "troupe", "-A", "trust", "-E", "UTF8", "--locale=C",
                  "--no-sync", "--no-instructions"}));
    start();
  }

  postgres_server(const postgres_server&) = delete;
  postgres_server& operator=(const postgres_server&) = delete;

  ~postgres_server() {
    stop(SIGINT);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  /// Does not wait until it takes connections: whoever connects does. Without fsync: tests kill
  /// processes, not machines, and must not depend on how busy the disk is.
  void start() {
    pid_ =
      run({"postgres", "-D", data(), "-k", dir_, "-c", "listen_addresses=", "-c", "fsync=off", "-c",
           "max_connections=40", "-c", "shared_buffers=64MB", "-c", "log_min_messages=fatal"});
  }

  /// SIGINT ends it orderly; SIGQUIT drops everything at once, as a crash does.
  void stop(int signal) {
    if (pid_ <= 0)
      return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  std::string uri(const std::string& database) const {
    return "postgresql://troupe@/" + database + "?host=" + dir_;
  }

private:
  std::string data() const { return dir_ + "/data"; }

  /// Where the programs are: Debian keeps them out of PATH, by version.
  static std::string program(const std::string& name) {
    std::error_code ignored;
    std::string newest;
    for (auto& one : std::filesystem::directory_iterator{"/usr/lib/postgresql", ignored})
      if (auto path = one.path() / "bin" / name; std::filesystem::exists(path))
        newest = std::max(newest, path.string());
    return newest.empty() ? name : newest;
  }

  pid_t run(std::vector<std::string> arguments) {
    arguments.front() = program(arguments.front());
    return start_child(arguments, dir_ + "/log", SIGQUIT, [this] {
      return (user_ == nullptr
              || (::setgroups(0, nullptr) == 0 && ::setgid(user_->pw_gid) == 0
                  && ::setuid(user_->pw_uid) == 0))
             && ::chdir("/") == 0;
    });
  }

  void wait_for(pid_t pid) {
    int status = 0;
    if (pid < 0 || ::waitpid(pid, &status, 0) != pid || status != 0)
      CAF_FAIL("initdb failed: " << status << ", see " << dir_ << "/log");
  }

  std::string dir_;
  const passwd* user_ = nullptr;
  pid_t pid_ = -1;
};

} // namespace troupe::store

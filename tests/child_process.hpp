#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace troupe {

/// Starts a server of a test's own: what it says goes to the file `log`, and however this process
/// ends, it gets the signal `with` then (PR_SET_PDEATHSIG).
/// @param prepare runs in the child before; system calls only. False: it ends with 126
/// @returns its pid, or -1
template <class F>
pid_t start_child(std::vector<std::string>& arguments, const std::string& log, int with,
                  F&& prepare) {
  std::vector<char*> argv;
  for (auto& one : arguments)
    argv.push_back(one.data());
  argv.push_back(nullptr);
  auto parent = ::getpid();
  auto pid = ::fork();
  if (pid != 0)
    return pid;
  // In the child: system calls only.
  auto fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(fd, STDOUT_FILENO);
  ::dup2(fd, STDERR_FILENO);
  if (!prepare())
    ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, with);
  if (::getppid() != parent)
    ::_exit(126);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

} // namespace troupe

#include "actors/gateway/gateway.hpp"
#include "messages/all_ids.hpp"
#include "runtime/config/load.hpp"
#include "runtime/log/log.hpp"
#include "runtime/main/trouped/node.hpp"
#include "runtime/main/trouped/node_cluster.hpp"
#include "runtime/system/config.hpp"

#include <caf/actor_system.hpp>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <iostream>
#include <utility>

namespace {

using namespace troupe;

/// Blocks the signals that `run` waits for, in this thread and those it starts.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : {SIGTERM, SIGINT, SIGHUP})
    sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

/// @returns a signal's number, or 0 after `seconds`
int wait_for_signal(const sigset_t& set, long seconds) {
  timespec limit{seconds, 0};
  auto number = sigtimedwait(&set, nullptr, &limit);
  return number < 0 ? 0 : number;
}

std::optional<std::string> init_log(const config::settings& settings) {
  log::options options;
  options.threshold = log::level_from(settings.log.level).value_or(log::level::info);
  options.how = settings.log.format == "json"    ? log::format::json
                : settings.log.format == "human" ? log::format::human
                                                 : log::format::automatic;
  options.file = settings.log.file;
  options.node = settings.node.name;
  return log::init(options);
}

void reload(int argc, char** argv, config::settings& settings, node& running) {
  auto result = config::reload(argc, argv, config::process_environment(), settings);
  if (auto* wrong = std::get_if<config::error>(&result)) {
    log::event(log::level::error, "config.rejected", "troupe.node", {{"reason", wrong->message}},
               "The changed configuration is wrong; the node keeps the old one.");
    return;
  }
  auto& changed = std::get<config::changes>(result);
  auto old_log = std::exchange(settings, changed.now).log;
  if (auto why = init_log(settings)) { // Also reopens a rotated file.
    settings.log = old_log;
    std::erase_if(changed.live, [](const auto& key) { return key.starts_with("log."); });
    log::event(log::level::error, "config.rejected", "troupe.node", {{"reason", *why}},
               "The node keeps its log.");
  }
  if (!changed.live.empty())
    running.reconfigure(settings);
  for (const auto& key : changed.live)
    log::event(log::level::info, "config.reloaded", "troupe.node", {{"key", key}});
  for (const auto& key : changed.restart)
    log::event(log::level::warning, "config.needs-restart", "troupe.node", {{"key", key}},
               "This change is taken over only by a restart.");
  running.renew_keys();
}

int run(int argc, char** argv, config::settings settings, const sigset_t& signals) {
  system::config cfg{settings.node.threads};
  node_cluster::prepare(cfg, settings);
  caf::actor_system sys{cfg};
  node running{sys, settings};
  log::event(log::level::info, "node.started", "troupe.node", {{"version", TROUPE_VERSION}});
  for (;;) {
    auto number = wait_for_signal(signals, 1);
    running.tick();
    if (running.failed()) {
      log::event(log::level::error, "node.failed", "troupe.node", {},
                 "The supervision tree gave up; the node ends.");
      running.stop();
      return 1;
    }
    if (number == SIGHUP)
      reload(argc, argv, settings, running);
    if (number == SIGTERM || number == SIGINT)
      break;
  }
  log::event(log::level::info, "node.draining", "troupe.node");
  bool again = false;
  auto left = running.drain([&] { // A SIGHUP meanwhile is no second request to stop.
    auto next = wait_for_signal(signals, 0);
    return again = next == SIGTERM || next == SIGINT;
  });
  log::event(log::level::info, "node.stopping", "troupe.node",
             {{"calls", static_cast<std::int64_t>(left)}});
  if (again) { // Asked twice: at once.
    log::shutdown();
    std::_Exit(0);
  }
  running.stop();
  log::event(log::level::info, "node.stopped", "troupe.node");
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  auto signals = block_signals();
  auto loaded = config::load(argc, argv, config::process_environment());
  if (auto* done = std::get_if<config::exit_request>(&loaded)) {
    std::cout << done->text;
    return 0;
  }
  if (auto* wrong = std::get_if<config::error>(&loaded)) {
    std::cerr << wrong->message << '\n';
    return 2;
  }
  auto& settings = std::get<config::settings>(loaded);
  if (auto why = init_log(settings)) {
    std::cerr << *why << '\n';
    return 2;
  }
  std::set_terminate([] { // The last lines tell why.
    log::flush();
    std::abort();
  });
  init_message_types();
  int code = 1;
  try {
    code = run(argc, argv, std::move(settings), signals);
  } catch (const std::exception& x) {
    log::event(log::level::error, "node.failed", "troupe.node",
               {{"reason", std::string_view{x.what()}}});
  }
  log::shutdown();
  return code;
}

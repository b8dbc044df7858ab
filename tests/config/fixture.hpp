#pragma once
#include "runtime/config/load.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

/// A configuration directory of its own, an environment of its own.
struct config_fixture {
  std::filesystem::path dir =
    std::filesystem::temp_directory_path() / ("troupe-config-" + std::to_string(::getpid()));
  std::map<std::string, std::string> variables;

  config_fixture() {
    std::filesystem::remove_all(dir);
    std::filesystem::create_directories(dir);
  }
  ~config_fixture() { std::filesystem::remove_all(dir); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream{dir / name, std::ios::binary} << text;
  }

  troupe::config::environment env() {
    return [this](const char* name) -> const char* {
      auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    };
  }

  std::vector<const char*> argv;
  std::vector<std::string> args;

  void set_args(std::vector<std::string> more) {
    args = std::move(more);
    args.insert(args.begin(), "/usr/bin/trouped");
    args.push_back("--config-dir=" + dir.string());
    argv.clear();
    for (auto& arg : args)
      argv.push_back(arg.c_str());
  }

  troupe::config::load_result load(std::vector<std::string> more = {}) {
    set_args(std::move(more));
    return troupe::config::load(static_cast<int>(argv.size()), argv.data(), env());
  }

  troupe::config::settings settings(std::vector<std::string> more = {}) {
    auto result = load(std::move(more));
    if (auto* failed = std::get_if<troupe::config::error>(&result))
      throw std::runtime_error(failed->message);
    return std::get<troupe::config::settings>(result);
  }

  /// The error's message; empty if there was none.
  std::string failure(std::vector<std::string> more = {}) {
    auto result = load(std::move(more));
    auto* failed = std::get_if<troupe::config::error>(&result);
    return failed == nullptr ? std::string{} : failed->message;
  }

  std::string printed(std::vector<std::string> more) {
    auto result = load(std::move(more));
    auto* done = std::get_if<troupe::config::exit_request>(&result);
    return done == nullptr ? std::string{} : done->text;
  }
};

inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

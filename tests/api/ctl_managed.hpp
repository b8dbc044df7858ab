#pragma once
#include "runtime/api/ctl.hpp"
#include "runtime/api/server.hpp"
#include "tests/api/managed.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

/// troupectl against a node with a store.
namespace fakes {

using namespace std::literals;
namespace fs = std::filesystem;

inline const std::string token = "123456:" + std::string(35, 'a');

struct managed_ctl : managed_node {
  troupe::net::http_server listener{config(), troupe::api::make_handler(managed_ports())};
  std::map<std::string, std::string, std::less<>> variables;
  std::string out;
  std::string err;
  fs::path dir = fs::temp_directory_path() / ("troupe-ctl-managed-" + std::to_string(::getpid()));

  managed_ctl() {
    listener.start();
    variables["TROUPE_URL"] = "http://127.0.0.1:" + std::to_string(listener.port());
    variables["TROUPE_KEY"] = boss;
    fs::remove_all(dir);
    fs::create_directories(dir);
  }

  ~managed_ctl() { fs::remove_all(dir); }

  static troupe::net::http_server_config config() {
    troupe::net::http_server_config one;
    one.threads = 1;
    troupe::api::configure(one);
    return one;
  }

  int run(std::vector<std::string> args, std::string input = {}) {
    std::istringstream from{input};
    std::ostringstream to, errors;
    std::vector<std::string_view> views{args.begin(), args.end()};
    auto variable = [this](std::string_view name) {
      auto found = variables.find(name);
      return found == variables.end() ? ""s : found->second;
    };
    auto status = troupe::api::run_ctl(views, {from, to, errors, false, variable});
    out = to.str();
    err = errors.str();
    return status;
  }

  bool says(std::string_view part) const { return out.find(part) != std::string::npos; }
  bool complains(std::string_view part) const { return err.find(part) != std::string::npos; }

  std::string file(const std::string& name, std::string_view text) {
    std::ofstream{dir / name, std::ios::binary} << text;
    return (dir / name).string();
  }

  std::string text_of(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream{path, std::ios::binary}.rdbuf();
    return text.str();
  }
};

} // namespace fakes

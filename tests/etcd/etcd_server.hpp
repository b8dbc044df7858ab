#pragma once
#include "tests/child_process.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <caf/test/unit_test.hpp>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace troupe::etcd::test {

/// Certificates of members, as files; empty: plain HTTP.
struct member_tls {
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

/// Members of etcd on 127.0.0.1, of one cluster. End with this object, and with this process
/// however that ends (PR_SET_PDEATHSIG).
class etcd_cluster {
public:
  explicit etcd_cluster(std::size_t count, member_tls tls = {}) : tls_(std::move(tls)) {
    std::string name = (std::filesystem::temp_directory_path() / "troupe-etcd-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      CAF_FAIL("no temporary directory: " << name);
    dir_ = name;
    auto ports = free_ports(2 * count);
    for (std::size_t i = 0; i < count; ++i)
      members_.push_back({ports[2 * i], ports[2 * i + 1], -1});
    for (std::size_t i = 0; i < count; ++i)
      start(i);
  }

  etcd_cluster(const etcd_cluster&) = delete;
  etcd_cluster& operator=(const etcd_cluster&) = delete;

  ~etcd_cluster() {
    for (std::size_t i = 0; i < members_.size(); ++i)
      kill(i);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }

  [[nodiscard]] std::string url(std::size_t i) const {
    return (tls_.ca_file.empty() ? "http://127.0.0.1:" : "https://127.0.0.1:")
           + std::to_string(members_[i].client_port);
  }
  [[nodiscard]] std::vector<std::string> urls() const {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < size(); ++i)
      result.push_back(url(i));
    return result;
  }

  /// Where members talk to each other.
  [[nodiscard]] std::string peer_url(std::size_t i) const {
    return "http://127.0.0.1:" + std::to_string(members_[i].peer_port);
  }

  /// With the data that it had. Does not wait until it serves.
  void start(std::size_t i) {
    std::string cluster;
    for (std::size_t j = 0; j < size(); ++j)
      cluster += (j ? "," : "") + name(j) + "=" + peer_url(j);
    std::vector<std::string> arguments{"etcd",
                                       "--name",
                                       name(i),
                                       "--data-dir",
                                       dir_ + "/" + name(i),
                                       "--listen-client-urls",
                                       url(i),
                                       "--advertise-client-urls",
                                       url(i),
                                       "--listen-peer-urls",
                                       peer_url(i),
                                       "--initial-advertise-peer-urls",
                                       peer_url(i),
                                       "--initial-cluster",
                                       cluster,
                                       "--heartbeat-interval",
                                       "50",
                                       "--election-timeout",
                                       "300",
                                       "--log-level",
                                       "error",
                                       "--logger",
                                       "zap",
                                       "--log-outputs",
                                       "stderr"};
    if (!tls_.ca_file.empty())
      for (auto& more : {std::string{"--client-cert-auth"}, "--trusted-ca-file=" + tls_.ca_file,
                         "--cert-file=" + tls_.certificate_file, "--key-file=" + tls_.key_file})
        arguments.push_back(more);
    members_[i].pid = run(arguments);
  }

  /// As a crash ends it.
  void kill(std::size_t i) {
    if (members_[i].pid <= 0)
      return;
    ::kill(members_[i].pid, SIGKILL);
    ::waitpid(members_[i].pid, nullptr, 0);
    members_[i].pid = -1;
  }

  /// It takes connections and answers nothing.
  void pause(std::size_t i) const { ::kill(members_[i].pid, SIGSTOP); }
  void resume(std::size_t i) const { ::kill(members_[i].pid, SIGCONT); }

  /// What a member answers to a POST, head and all; plain HTTP only. Empty: nothing.
  [[nodiscard]] std::string ask(std::size_t i, const std::string& path,
                                const std::string& body) const {
    namespace asio = boost::asio;
    asio::io_context io;
    asio::ip::tcp::socket socket{io};
    boost::system::error_code ec;
    socket.connect({asio::ip::address_v4::loopback(), members_[i].client_port}, ec);
    if (ec)
      return {};
    auto text = "POST " + path + " HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: "
                + std::to_string(body.size()) + "\r\n\r\n" + body;
    asio::write(socket, asio::buffer(text), ec);
    std::string answer;
    asio::read(socket, asio::dynamic_buffer(answer), ec);
    return answer;
  }

  /// The number of the member that leads; size(): nobody says so.
  [[nodiscard]] std::size_t leader() const {
    for (std::size_t i = 0; i < size(); ++i) {
      auto status = ask(i, "/v3/maintenance/status", "{}");
      auto leads = field(status, "leader");
      if (!leads.empty() && leads == field(status, "member_id"))
        return i;
    }
    return size();
  }

private:
  struct member {
    std::uint16_t client_port = 0;
    std::uint16_t peer_port = 0;
    pid_t pid = -1;
  };

  static std::string name(std::size_t i) { return "m" + std::to_string(i); }

  static std::string field(const std::string& text, const std::string& name) {
    auto begin = text.find("\"" + name + "\":\"");
    if (begin == std::string::npos)
      return {};
    begin += name.size() + 4;
    return text.substr(begin, text.find('"', begin) - begin);
  }

  /// Ports that nobody has now: etcd must be told them before it binds them.
  static std::vector<std::uint16_t> free_ports(std::size_t count) {
    namespace asio = boost::asio;
    asio::io_context io;
    std::vector<asio::ip::tcp::acceptor> held;
    std::vector<std::uint16_t> result;
    for (std::size_t i = 0; i < count; ++i) {
      held.emplace_back(io, asio::ip::tcp::endpoint{asio::ip::address_v4::loopback(), 0});
      result.push_back(held.back().local_endpoint().port());
    }
    return result;
  }

  pid_t run(std::vector<std::string>& arguments) const {
    return start_child(arguments, dir_ + "/log", SIGKILL, [] { return true; });
  }

  std::string dir_;
  member_tls tls_;
  std::vector<member> members_;
};

} // namespace troupe::etcd::test

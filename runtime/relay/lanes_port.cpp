#include "runtime/relay/lanes_port.hpp"

#include "runtime/relay/lane.hpp"

#include <boost/asio/post.hpp>

#include <functional>
#include <mutex>

namespace troupe::relay {
namespace {

class lanes_port final : public port {
public:
  lanes_port(std::vector<net::io_executor> executors, std::shared_ptr<net::dns_cache> dns,
             const std::string& ca_file)
    : executors_(std::move(executors)) {
    shared_->dns = std::move(dns);
    for (const auto& ex : executors_)
      lanes_.push_back(std::make_shared<lane>(ex, shared_, ca_file));
  }

  void perform(post what, std::function<void(relay_result)> then) override {
    auto x = std::make_shared<exchange>();
    x->began = clock::now();
    x->deadline = x->began + what.limit;
    x->what = std::move(what);
    x->then = std::move(then);
    auto i = lane_of(x->what.to.where);
    asio::post(executors_[i], [to = lanes_[i], x] { to->begin(x); });
  }

  // Behind all that was begun before, on every lane: whose it is, is not worth remembering.
  void abandon(std::uint64_t id) override {
    for (std::size_t i = 0; i < lanes_.size(); ++i)
      asio::post(executors_[i], [to = lanes_[i], id] { to->abandon(id); });
  }

  void close_all() override {
    for (std::size_t i = 0; i < lanes_.size(); ++i)
      asio::post(executors_[i], [to = lanes_[i]] { to->close_all(); });
  }

  void set(const port_limits& limits) override {
    shared_->max_open = limits.max_open;
    shared_->idle_ms = limits.idle_timeout.count();
    // Connections that are kept were made under the former rule.
    if (shared_->allow_private.exchange(limits.allow_private_addresses)
        && !limits.allow_private_addresses)
      for (std::size_t i = 0; i < lanes_.size(); ++i)
        asio::post(executors_[i], [to = lanes_[i]] { to->close_idle(); });
  }

  std::size_t open() const override { return shared_->open->load(std::memory_order_relaxed); }

private:
  std::size_t lane_of(const net::target& where) const {
    return std::hash<std::string>{}(where.host + ':' + where.port) % lanes_.size();
  }

  std::vector<net::io_executor> executors_;
  std::shared_ptr<shared_state> shared_ = std::make_shared<shared_state>();
  std::vector<std::shared_ptr<lane>> lanes_;
};

} // namespace

std::shared_ptr<port> make_port(std::vector<net::io_executor> executors,
                                std::shared_ptr<net::dns_cache> dns, const std::string& ca_file) {
  return std::make_shared<lanes_port>(std::move(executors), std::move(dns), ca_file);
}

} // namespace troupe::relay

#include "runtime/etcd/members.hpp"

#include <stdexcept>

namespace troupe::etcd {
namespace {

/// Kept connections per member.
constexpr std::size_t most_idle = 8;

} // namespace

members::members(net::io_executor ex, std::shared_ptr<net::dns_cache> dns,
                 const client_options& options)
  : ex_(ex), dialer_(ex, std::move(dns), options) {
  for (auto& url : options.endpoints) {
    auto parts = net::parse_target(url);
    if (auto* wrong = std::get_if<std::string>(&parts))
      throw std::invalid_argument("an endpoint of etcd: " + *wrong);
    all_.push_back(std::get<net::target>(std::move(parts)));
  }
  if (all_.empty())
    throw std::invalid_argument("etcd needs an endpoint");
  idle_.resize(all_.size());
}

std::string members::shown(std::size_t member) const {
  return (all_[member].tls ? "https://" : "http://") + all_[member].host_header;
}

step<void> members::ask(std::size_t member, std::shared_ptr<errand> by, clock::time_point connect,
                        clock::time_point finish, std::string_view path, std::string_view body,
                        const line_taker& each, attempt& out) {
  if (closed_) {
    out.got.reason = "the client is closed";
    co_return;
  }
  errands_.insert(by);
  alarm limit{ex_, by};
  limit.set(connect);
  auto on = take_idle(member);
  if (!on)
    on = co_await dialer_.dial(*by, all_[member], out.got.reason);
  if (on && !by->over) {
    limit.set(finish);
    auto text =
      request_text(all_[member].host_header, all_[member].prefix + std::string{path}, body);
    by->on = on.get();
    out.sent = true;
    out.began = clock::now();
    co_await talk(*on, text, each, out.got);
    by->on = nullptr;
    if (!out.got.whole && clock::now() >= by->deadline)
      out.got.reason = "no answer in time";
  }
  errands_.erase(by);
  if (out.got.reusable && !closed_ && idle_[member].size() < most_idle)
    idle_[member].push_back(std::move(on));
}

std::unique_ptr<net::client_connection> members::take_idle(std::size_t member) {
  auto& idle = idle_[member];
  while (!idle.empty()) {
    auto on = std::move(idle.back());
    idle.pop_back();
    if (on->silent())
      return on;
  }
  return nullptr;
}

void members::close() {
  closed_ = true;
  for (auto& one : errands_)
    one->end();
  for (auto& idle : idle_)
    idle.clear();
}

} // namespace troupe::etcd

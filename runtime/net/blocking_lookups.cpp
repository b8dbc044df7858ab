#include "runtime/net/blocking_lookups.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace troupe::net {
namespace {

dns_cache::address_list ask_system(const std::string& host, boost::system::error_code& ec) {
  asio::io_context unused;
  asio::ip::tcp::resolver resolver{unused};
  dns_cache::address_list list;
  for (const auto& entry : resolver.resolve(host, "", ec)) {
    auto address = entry.endpoint().address();
    if (std::find(list.begin(), list.end(), address) == list.end())
      list.push_back(address);
  }
  return list;
}

class lookups : public std::enable_shared_from_this<lookups> {
public:
  lookups(blocking_lookup how, std::size_t most) : how_(std::move(how)), most_(most) {}

  void add(const std::string& host, dns_cache::answer then) {
    std::unique_lock lock{mutex_};
    waiting_.emplace_back(host, std::move(then));
    if (threads_ == most_)
      return;
    try {
      std::thread{[me = shared_from_this()] { me->work(); }}.detach();
      ++threads_;
    } catch (const std::system_error&) {
      if (threads_ > 0)
        return; // One of those takes it.
      auto nobodys = std::exchange(waiting_, {});
      lock.unlock();
      for (auto& [name, tell] : nobodys)
        tell(asio::error::host_not_found_try_again, {});
    }
  }

private:
  void work() {
    std::unique_lock lock{mutex_};
    while (!waiting_.empty()) {
      auto [host, then] = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      boost::system::error_code ec;
      auto list = how_(host, ec);
      then(ec, std::move(list));
      then = nullptr; // What it holds may end with it: not under the lock.
      lock.lock();
    }
    --threads_;
  }

  blocking_lookup how_;
  std::size_t most_;
  std::mutex mutex_;
  std::deque<std::pair<std::string, dns_cache::answer>> waiting_;
  std::size_t threads_ = 0;
};

} // namespace

dns_cache::resolver resolve_on_threads(blocking_lookup how, std::size_t most_threads) {
  auto all = std::make_shared<lookups>(how ? std::move(how) : blocking_lookup{ask_system},
                                       std::max<std::size_t>(most_threads, 1));
  return [all](const std::string& host, io_executor, dns_cache::answer then) {
    all->add(host, std::move(then));
  };
}

} // namespace troupe::net

#include "runtime/net/dns_cache.hpp"

#include "runtime/net/blocking_lookups.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace troupe::net {
namespace {

using error_code = boost::system::error_code;

/// Whoever asks for a name whose address was known waits no longer than this for a newer one.
constexpr std::chrono::seconds patience_with_old{1};

} // namespace

struct dns_cache::waiter {
  explicit waiter(io_executor ex) : ex(ex), done(ex) {}
  io_executor ex;
  steady_timer done; // Cancelled when the answer is there; expires at the deadline.
  error_code ec;
  addresses result;
  bool answered = false;
};

struct dns_cache::entry {
  addresses good; // The last good answer, however old.
  clock::time_point fresh_until{};
  error_code failed;
  clock::time_point failed_until{};
  bool asking = false;
  clock::time_point asked{}; ///< When that began, whatever the tests' clock says.
  std::vector<std::shared_ptr<waiter>> waiters;
};

struct dns_cache::shared {
  std::mutex mutex;
  dns_options options;
  resolver resolve;
  std::function<clock::time_point()> now;
  std::unordered_map<std::string, entry> names;
  std::atomic<std::uint64_t> hits{0};
  std::atomic<std::uint64_t> misses{0};

  enum class step { answered, join, ask };

  // With the mutex held. `answered`: from memory, in `found` or `ec`. Otherwise `found` is an old
  // answer, if there is one: good enough if no newer one comes until `wait_until`.
  step look(const std::string& host, addresses& found, error_code& ec,
            clock::time_point& wait_until) {
    auto pos = names.find(host);
    if (pos == names.end()) {
      make_room();
      pos = names.try_emplace(host).first;
    }
    auto& known = pos->second;
    auto at = now();
    if (known.asking && known.good) {
      found = known.good;
      wait_until = std::min(wait_until, known.asked + patience_with_old);
    }
    if (known.asking)
      return hits.fetch_add(1, std::memory_order_relaxed), step::join;
    if (at < known.fresh_until || at < known.failed_until) {
      hits.fetch_add(1, std::memory_order_relaxed);
      found = known.good;
      if (!found)
        ec = known.failed;
      return step::answered;
    }
    known.asking = true;
    known.asked = clock::now();
    if ((found = known.good))
      wait_until = std::min(wait_until, known.asked + patience_with_old);
    misses.fetch_add(1, std::memory_order_relaxed);
    return step::ask;
  }

  void make_room() {
    if (names.size() < options.max_names)
      return;
    auto oldest = names.end();
    for (auto i = names.begin(); i != names.end(); ++i)
      if (!i->second.asking
          && (oldest == names.end() || i->second.fresh_until < oldest->second.fresh_until))
        oldest = i;
    if (oldest != names.end())
      names.erase(oldest);
  }

  /// A resolver that hangs would gather all who gave up.
  void leave(const std::string& host, const std::shared_ptr<waiter>& who) {
    std::lock_guard lock{mutex};
    if (auto known = names.find(host); known != names.end())
      std::erase(known->second.waiters, who);
  }

  std::size_t waiting() {
    std::lock_guard lock{mutex};
    std::size_t sum = 0;
    for (const auto& [name, known] : names)
      sum += known.waiters.size();
    return sum;
  }

  void finish(const std::string& host, error_code ec, address_list list) {
    addresses result;
    if (!ec && list.empty())
      ec = asio::error::host_not_found;
    // All of it under the lock: who is still in the list has a lane that is still there.
    std::lock_guard lock{mutex};
    auto& known = names[host];
    known.asking = false;
    auto served = std::exchange(known.waiters, {});
    if (ec) {
      known.failed = ec;
      known.failed_until = now() + options.negative_ttl;
    } else {
      known.good = std::make_shared<const address_list>(std::move(list));
      known.fresh_until = now() + options.ttl;
      known.failed_until = {};
    }
    result = known.good; // After a failure: the stale answer, if there is one.
    for (auto& w : served)
      asio::post(w->ex, [w, result, ec] {
        w->answered = true;
        w->result = result;
        if (!result)
          w->ec = ec;
        w->done.cancel();
      });
    served.clear();
  }
};

dns_cache::dns_cache(dns_options options, resolver resolve, std::function<clock::time_point()> now)
  : shared_(std::make_shared<shared>()) {
  shared_->options = options;
  shared_->resolve = resolve ? std::move(resolve) : resolve_on_threads();
  shared_->now = now ? std::move(now) : [] { return clock::now(); };
}

dns_cache::~dns_cache() = default;

asio::awaitable<dns_cache::addresses, io_executor>
dns_cache::resolve(std::string host, io_executor ex, clock::time_point deadline, error_code& ec) {
  ec = {};
  error_code not_numeric;
  auto numeric = asio::ip::make_address(host, not_numeric);
  if (!not_numeric)
    co_return std::make_shared<const address_list>(1, numeric);
  auto cache = shared_;
  addresses found;
  shared::step next{};
  std::shared_ptr<waiter> me;
  auto wait_until = deadline;
  {
    std::lock_guard lock{cache->mutex};
    next = cache->look(host, found, ec, wait_until);
    if (next != shared::step::answered) {
      me = std::make_shared<waiter>(ex);
      cache->names[host].waiters.push_back(me);
    }
  }
  if (next == shared::step::answered)
    co_return found;
  // Also when the lane ends while this waits.
  struct leaver {
    shared& from;
    const std::string& host;
    const std::shared_ptr<waiter>& who;
    ~leaver() { from.leave(host, who); }
  } leaves{*cache, host, me};
  me->done.expires_at(wait_until);
  if (next == shared::step::ask)
    cache->resolve(host, ex, [cache, host](error_code failed, address_list list) {
      cache->finish(host, failed, std::move(list));
    });
  error_code ignored;
  // An answer is posted to this lane, so it cannot come before the wait has begun.
  co_await me->done.async_wait(asio::redirect_error(asio::use_awaitable_t<io_executor>{}, ignored));
  if (me->answered) {
    ec = me->ec;
    co_return me->result;
  }
  if (!found)
    ec = asio::error::timed_out;
  co_return found;
}

std::size_t dns_cache::waiting() const {
  return shared_->waiting();
}

std::uint64_t dns_cache::hits() const noexcept {
  return shared_->hits.load(std::memory_order_relaxed);
}

std::uint64_t dns_cache::misses() const noexcept {
  return shared_->misses.load(std::memory_order_relaxed);
}

} // namespace troupe::net

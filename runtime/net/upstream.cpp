#include "runtime/net/upstream.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>

namespace troupe::net {
namespace {

// Ids closed before their connection was made: a grant may still be on its way to the lane. That
// takes milliseconds; so many closures do not fit into them.
constexpr std::size_t max_buried = 1024;

void tick(std::atomic<std::uint64_t>& counter) noexcept {
  counter.fetch_add(1, std::memory_order_relaxed);
}

class lanes_port : public session_port {
public:
  explicit lanes_port(std::vector<std::shared_ptr<upstream_sessions>> lanes)
    : lanes_(std::move(lanes)) {}

  void close(std::uint64_t session, std::uint16_t lane) override {
    if (lane < lanes_.size())
      lanes_[lane]->post_close(session);
  }

  void close_all(std::uint32_t epoch) override {
    for (auto& lane : lanes_)
      lane->post_close_all(epoch);
  }

private:
  std::vector<std::shared_ptr<upstream_sessions>> lanes_;
};

} // namespace

upstream_sessions::upstream_sessions(io_executor ex, upstream_options options,
                                     std::shared_ptr<dns_cache> dns)
  : ex_(ex), options_(std::move(options)), dns_(std::move(dns)),
    alive_(std::make_shared<bool>(true)) {
  if (options_.where.tls)
    tls_ = std::make_unique<tls_client>(options_.ca_file);
  buried_.assign(max_buried, 0);
}

upstream_sessions::~upstream_sessions() {
  *alive_ = false;
}

upstream_session* upstream_sessions::try_acquire(std::uint64_t session) noexcept {
  auto pos = sessions_.find(session);
  if (pos == sessions_.end() || pos->second->in_use_)
    return nullptr;
  auto& found = *pos->second;
  if (!fit(found, clock::now())) {
    erase(session);
    return nullptr;
  }
  found.in_use_ = true;
  found.fresh = false;
  tick(counters_.reused);
  return &found;
}

bool upstream_sessions::fit(upstream_session& session, clock::time_point now) noexcept {
  if (now - session.connected_at >= options_.max_age
      || now - session.last_used >= options_.max_idle) {
    tick(counters_.expired);
    return false;
  }
  bool ok = session.stream_.silent();
  if (!ok)
    tick(counters_.stale);
  return ok;
}

void upstream_sessions::release(upstream_session& session, bool reusable) {
  auto id = session.id();
  if (!reusable || session.aborted()) // Closing its id aborts a session in use.
    return erase(id);
  session.in_use_ = false;
  ++session.exchanges;
  session.last_used = clock::now();
}

void upstream_sessions::close(std::uint64_t session) {
  bury(session);
  auto pos = sessions_.find(session);
  if (pos == sessions_.end())
    return;
  if (pos->second->in_use_)
    pos->second->abort(); // Its user lets go of it by `release`.
  else
    erase(session);
}

void upstream_sessions::close_all() {
  for (auto i = sessions_.begin(); i != sessions_.end();) {
    auto& session = *(i++)->second;
    if (session.in_use_)
      session.abort();
    else
      erase(session.id());
  }
}

void upstream_sessions::close_before(std::uint32_t epoch) {
  oldest_epoch_ = std::max(oldest_epoch_, epoch);
  for (auto i = sessions_.begin(); i != sessions_.end();) {
    auto& session = *(i++)->second;
    if (session_epoch(session.id()) >= epoch)
      continue;
    if (session.in_use_)
      session.abort();
    else
      erase(session.id());
  }
}

void upstream_sessions::post_close(std::uint64_t session) {
  asio::post(ex_, [this, session] { close(session); });
}

void upstream_sessions::post_close_all(std::uint32_t epoch) {
  asio::post(ex_, [this, epoch] { close_before(epoch); });
}

bool upstream_sessions::refused(std::uint64_t session) const noexcept {
  return session_epoch(session) < oldest_epoch_
         || std::find(buried_.begin(), buried_.end(), session) != buried_.end();
}

void upstream_sessions::bury(std::uint64_t session) {
  buried_[next_grave_] = session;
  next_grave_ = (next_grave_ + 1) % buried_.size();
}

void upstream_sessions::erase(std::uint64_t session) noexcept {
  auto pos = sessions_.find(session);
  if (pos == sessions_.end())
    return;
  // Without this OpenSSL takes the newest ticket for spoilt, as if the peer had misbehaved.
  if (pos->second->tls() && pos->second->ready_)
    SSL_set_shutdown(pos->second->secure().native_handle(),
                     SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  sessions_.erase(pos);
  counters_.open.store(sessions_.size(), std::memory_order_relaxed);
}

std::shared_ptr<session_port>
make_session_port(std::vector<std::shared_ptr<upstream_sessions>> lanes) {
  return std::make_shared<lanes_port>(std::move(lanes));
}

} // namespace troupe::net

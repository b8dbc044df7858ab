#include "tests/sandbox/webhook.hpp"

#include "tests/sandbox/world.hpp"

#include <boost/asio/post.hpp>

#include <random>

namespace troupe::sandbox {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr auto shortest_longest_delay = 60s;
constexpr auto longest_retry_after = 3600s;
constexpr auto patience_with_410 = 23h;

std::chrono::seconds longest_delay() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return shortest_longest_delay
         + std::chrono::seconds{std::uniform_int_distribution<int>{0, 60}(random)};
}

} // namespace

webhook::webhook(world& w, asio::io_context& io, std::shared_ptr<bot> owner, webhook_target target)
  : world_(w), io_(io), bot_(std::move(owner)), target_(std::move(target)),
    connections_(io, target_), timer_(io) {
  // nop
}

void webhook::kick() {
  if (closed_ || kicked_.exchange(true))
    return;
  asio::post(io_, [self = shared_from_this()] { self->pump(); });
}

void webhook::close() {
  closed_ = true;
  asio::post(io_, [self = shared_from_this()] {
    self->timer_.cancel();
    self->connections_.close();
    self->lanes_.clear();
  });
}

webhook_history webhook::history() {
  std::lock_guard lock{history_mutex_};
  return history_;
}

void webhook::pump() {
  kicked_ = false;
  if (closed_)
    return;
  take_new_updates();
  start_due();
}

void webhook::take_new_updates() {
  std::lock_guard lock{bot_->mutex};
  bot_->updates.expire(world_.now());
  auto& waiting = bot_->updates.waiting();
  for (auto i = waiting.lower_bound(next_unseen_); i != waiting.end(); ++i) {
    lanes_[i->second.key].ids.push_back(i->first);
    next_unseen_ = i->first + 1;
  }
}

void webhook::start_due() {
  auto now = world_.now();
  auto next = clock::time_point::max();
  for (auto i = lanes_.begin(); i != lanes_.end() && in_flight_ < target_.max_connections;) {
    auto& [key, x] = *i;
    if (!x.in_flight && x.wake_at > now)
      next = std::min(next, x.wake_at);
    if (x.in_flight || x.wake_at > now) {
      ++i;
      continue;
    }
    std::string json;
    {
      std::lock_guard lock{bot_->mutex};
      auto& waiting = bot_->updates.waiting();
      while (!x.ids.empty() && !waiting.contains(x.ids.front())) // Expired meanwhile.
        x.ids.pop_front();
      if (!x.ids.empty())
        json = waiting.at(x.ids.front()).json;
    }
    if (x.ids.empty()) {
      i = lanes_.erase(i);
      continue;
    }
    x.in_flight = true;
    ++in_flight_;
    asio::post(io_, [self = shared_from_this(), key = i->first, id = x.ids.front(),
                     json = std::move(json)]() mutable {
      net::spawn(self->deliver(key, id, std::move(json)), [](const std::exception_ptr&) {});
    });
    ++i;
  }
  if (next == clock::time_point::max())
    return;
  timer_.expires_after(next - now);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code ec) {
    if (!ec)
      self->kick();
  });
}

net::task<void> webhook::deliver(queue_key key, std::int64_t id, std::string json) {
  auto self = shared_from_this();
  auto answer = co_await connections_.post(std::move(json));
  --in_flight_;
  if (closed_)
    co_return;
  {
    std::lock_guard lock{history_mutex_};
    if (!answer.peer.empty())
      history_.ip_address = answer.peer;
  }
  if (answer.success()) {
    delivered(key, id);
    if (world_.webhooks().on_reply)
      world_.webhooks().on_reply(bot_, answer);
  } else {
    failed(key, id, answer);
  }
  if (!closed_)
    pump();
}

void webhook::delivered(queue_key key, std::int64_t id) {
  first_410_ = {};
  {
    std::lock_guard lock{bot_->mutex};
    bot_->updates.remove(id);
  }
  auto at = lanes_.find(key);
  if (at == lanes_.end())
    return;
  auto& x = at->second;
  x.ids.pop_front();
  x.in_flight = false;
  x.failures = 0;
  x.delay = 1s;
  x.wake_at = {};
  if (x.ids.empty())
    lanes_.erase(at);
}

void webhook::failed(queue_key key, std::int64_t, const webhook_answer& answer) {
  auto now = world_.now(); // Before the failure can be seen: tests move the clock when they see it.
  note_error(answer);
  if (answer.status != 410) {
    first_410_ = {};
  } else if (first_410_ == clock::time_point{}) {
    first_410_ = now;
  } else if (now - first_410_ > patience_with_410) {
    close();
    std::lock_guard lock{bot_->mutex};
    if (bot_->hook.get() == this)
      bot_->hook.reset();
    return;
  }
  auto at = lanes_.find(key);
  if (at == lanes_.end())
    return;
  auto& x = at->second;
  x.in_flight = false;
  auto wait = std::min<std::chrono::seconds>(answer.retry_after, longest_retry_after);
  if (wait == 0s && x.failures > 0)
    wait = x.delay = std::min(longest_delay(), x.delay * 2);
  ++x.failures;
  x.wake_at = now + wait;
}

void webhook::note_error(const webhook_answer& answer) {
  std::lock_guard lock{history_mutex_};
  history_.last_error_date = world_.unix_now();
  history_.last_error_message = answer.error;
}

webhook_sender::webhook_sender(world& w)
  : world_(w), work_(asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {
  // nop
}

webhook_sender::~webhook_sender() {
  stop();
}

void webhook_sender::stop() {
  if (!thread_.joinable())
    return;
  io_.stop();
  thread_.join();
}

std::shared_ptr<webhook> webhook_sender::make(std::shared_ptr<bot> owner, webhook_target target) {
  return std::make_shared<webhook>(world_, io_, std::move(owner), std::move(target));
}

} // namespace troupe::sandbox

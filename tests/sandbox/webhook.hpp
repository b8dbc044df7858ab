#pragma once
#include "tests/sandbox/bot.hpp"
#include "tests/sandbox/webhook_client.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <thread>

namespace troupe::sandbox {

class world;

/// What getWebhookInfo tells of the past.
struct webhook_history {
  std::int64_t last_error_date = 0; ///< Unix time; 0: none.
  std::string last_error_message;
  std::string ip_address;
};

/// Delivers one bot's updates to its URL: in order per queue key, side by side across keys, again
/// after failures (at once, then after 2, 4, 8, … s up to 60–120 s, or as `Retry-After` says),
/// until they expire. Its state lives on the sender's thread; `kick`, `close` and `history` are for
/// all.
class webhook : public std::enable_shared_from_this<webhook> {
public:
  webhook(world& w, boost::asio::io_context& io, std::shared_ptr<bot> owner, webhook_target target);

  /// Looks for updates to deliver.
  void kick();
  /// Delivers no more.
  void close();

  [[nodiscard]] const webhook_target& target() const noexcept { return target_; }
  [[nodiscard]] webhook_history history();

private:
  struct lane {
    std::deque<std::int64_t> ids;
    bool in_flight = false;
    std::uint32_t failures = 0;
    std::chrono::seconds delay{1};
    clock::time_point wake_at{};
  };

  void pump();
  void take_new_updates();
  void start_due();
  net::task<void> deliver(queue_key key, std::int64_t id, std::string json);
  void delivered(queue_key key, std::int64_t id);
  void failed(queue_key key, std::int64_t id, const webhook_answer& answer);
  void note_error(const webhook_answer& answer);

  world& world_;
  boost::asio::io_context& io_;
  std::shared_ptr<bot> bot_;
  const webhook_target target_;
  webhook_connections connections_;
  std::map<queue_key, lane> lanes_;
  std::int64_t next_unseen_ = 0;
  std::uint32_t in_flight_ = 0;
  boost::asio::steady_timer timer_;
  clock::time_point first_410_{};
  std::atomic<bool> kicked_{false};
  std::atomic<bool> closed_{false};
  std::mutex history_mutex_;
  webhook_history history_;
};

/// The thread that delivers for all webhooks of one sandbox.
class webhook_sender {
public:
  explicit webhook_sender(world& w);
  ~webhook_sender();

  /// Called with what a webhook's answer asks for.
  std::function<void(const std::shared_ptr<bot>&, const webhook_answer&)> on_reply;

  std::shared_ptr<webhook> make(std::shared_ptr<bot> owner, webhook_target target);
  void stop();

private:
  world& world_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

} // namespace troupe::sandbox

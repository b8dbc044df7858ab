#pragma once
#include "runtime/net/http_server.hpp"
#include "tests/sandbox/chat.hpp"
#include "tests/sandbox/update_queue.hpp"

#include <boost/asio/basic_waitable_timer.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace troupe::sandbox {

class webhook;

/// A getUpdates request that waits, on its own connection's thread.
struct waiting_poll {
  enum class wake : std::uint8_t { none, updates, other_poll, webhook_set, reset };
  using timer_type =
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>,
                                      net::http_executor>;

  explicit waiting_poll(net::http_executor executor) : timer(executor) {}

  timer_type timer;         ///< Touched on its thread only.
  wake reason = wake::none; ///< Guarded by the bot's mutex.
};

/// A bot: what Telegram knows of it.
struct bot {
  bot(std::string_view token, std::int64_t id, std::string_view first_name,
      std::string_view username);

  const std::int64_t id;
  const std::string token;
  const std::string first_name;
  const std::string username;
  const std::string user_json;     ///< The User object.
  const std::string author_member; ///< `,"from":{…}`
  const std::string me_answer;     ///< The whole answer to getMe.

  bot_windows windows;
  std::atomic<clock::rep> logged_out_until{0}; ///< Of the sandbox's clock.
  std::weak_ptr<bot> self;

  std::mutex mutex; ///< Guards what follows. Never held while a chat's is being taken.
  std::unordered_map<std::int64_t, std::shared_ptr<chat>> chats;
  update_queue updates;
  std::uint64_t allowed; ///< Bit per update kind.
  std::shared_ptr<waiting_poll> poll;
  std::uint32_t polls_open = 0;
  std::shared_ptr<webhook> hook;
  clock::time_point next_set_webhook{};        ///< Sooner is a 429.
  std::map<std::string, std::string> settings; ///< What setMy… methods said: JSON, by name.

  /// Nullptr: the bot has no such chat.
  [[nodiscard]] std::shared_ptr<chat> find_chat(std::int64_t chat_id);

  /// Queues an update and wakes whoever waits for it. False: not an allowed kind, or no room.
  bool add_update(std::uint8_t kind, queue_key key, std::string_view object, clock::time_point now);

  /// Ends the poll that waits, if any. `mutex` must be held.
  void wake_poll(waiting_poll::wake reason);
};

/// The mask of kinds that a bot gets without asking: all but three.
[[nodiscard]] std::uint64_t default_allowed_updates() noexcept;

} // namespace troupe::sandbox

#pragma once
#include "messages/call.hpp"

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Handlers of updates in C++. docs/native.md tells how to write and build one.
namespace troupe::native {

/// What a handler gets. Valid during `on`.
struct update {
  std::int64_t id = 0;       ///< Telegram's update_id.
  std::string_view kind;     ///< "message"; empty: a kind that the node does not know.
  std::string_view body;     ///< The update's JSON exactly as received.
  std::uint32_t attempt = 1; ///< Above 1: the handler may have seen it before.
};

/// What the Bot API answered to a call, of whatever status.
struct answer {
  bool answered = false; ///< False: the call failed, `error` says how.
  std::uint16_t status = 0;
  std::string body;
  std::string error;
  [[nodiscard]] bool ok() const noexcept { return answered && status == 200; }
};

enum class importance : std::uint8_t { info, warning, error };

/// Thrown by a context whose handler's time is over: let it pass.
class overrun : public std::runtime_error {
public:
  overrun() : std::runtime_error("the handler's time is over") {}
};

/// The world, as a handler sees it during `on`. Thread-safe. Calls go through the bot's budgets,
/// retries and breaker.
class context {
public:
  using clock = std::chrono::steady_clock;

  virtual ~context() = default;

  [[nodiscard]] virtual bot_id bot() const noexcept = 0;

  /// Makes a Bot API call and goes on. The update is not done with before the call is; one that
  /// fails is logged. @throws overrun
  virtual void send(std::string method, std::string json) = 0;

  /// The same, with its answer. Waiting for it counts as the handler's time. @throws overrun
  virtual std::future<answer> call(std::string method, std::string json) = 0;

  /// Sends text to the chat that the update came from; nothing where there is none. @throws overrun
  virtual void reply(std::string_view text) = 0;

  /// One log line with the bot's number and the handler's name. Tokens do not belong there.
  virtual void log(importance how, std::string_view text) = 0;

  /// When the handler must have returned.
  [[nodiscard]] virtual clock::time_point deadline() const noexcept = 0;
  [[nodiscard]] bool expired() const noexcept { return clock::now() >= deadline(); }
};

/// One lives for each bot, from its first update after the bot's start until the bot's end: what it
/// remembers is lost with the bot.
class handler {
public:
  virtual ~handler() = default;

  /// Deals with one update: when it returns and its calls are made, the update is done with. One
  /// that throws ends its bot, which is started again and gets the update again, a bounded number
  /// of times. It must return before the context's deadline: one that does not cannot be stopped,
  /// costs the node a thread and quarantines its bot.
  virtual void on(const update& what, context& with) = 0;

  /// Updates that may be with it at once. Above 1, `on` must be thread-safe; those of one chat come
  /// one after the other all the same.
  [[nodiscard]] virtual std::size_t parallel() const noexcept { return 1; }
};

using factory = std::function<std::unique_ptr<handler>(bot_id)>;

/// Makes a handler known; bots name it in their `delivery.handler`. Before the node starts.
/// @throws std::invalid_argument for a name that is taken, or has other characters than a-z, 0-9, -
void register_handler(std::string name, factory make);

/// Empty: there is none of this name. Thread-safe.
[[nodiscard]] factory find_handler(std::string_view name);

/// Of all handlers, sorted.
[[nodiscard]] std::vector<std::string> handler_names();

} // namespace troupe::native

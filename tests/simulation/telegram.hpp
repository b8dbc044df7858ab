#pragma once
#include "tests/simulation/judge.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::simulation {

struct outside;

/// An update, as the two ends know it.
struct fate {
  std::int64_t chat = 0;
  bool query = false;
  time_point born{};
  bool acked = false;        ///< Telegram heard 200, or saw an offset behind it.
  std::int64_t acked_at = 0; ///< Wall clock.
  int delivered = 0;         ///< Its receiver took it.
  int failed = 0;            ///< Attempts that count.
  bool posting = false;      ///< To the node, now.
};

struct telegram_answer {
  std::uint16_t status = 200;
  std::string body;
  std::int64_t retry_after = 0; ///< Seconds.
};

/// Telegram's side of the bots: tokens, webhooks, updates that wait.
class telegram {
public:
  explicit telegram(outside& world);

  struct bot {
    const bot_plan* how = nullptr;
    std::string token;
    std::string webhook;
    std::int64_t next_offset = 0;
    std::vector<fate> updates;
    std::function<void(telegram_answer)> poll; ///< A getUpdates that waits.
    std::uint64_t polls = 0;
    std::uint32_t poll_limit = 100;
  };

  /// Carries a request out. `then` is called now, or, for a poll, when there is something.
  void ask(const std::string& token, const std::string& method, const std::string& body,
           std::function<void(telegram_answer)> then);
  /// The connection of this bot's poll is gone.
  void poll_lost(const std::string& token);

  /// An update happens.
  void happen(std::size_t bot, std::int64_t chat, bool query);
  /// A POST to the node's webhook is over.
  void posted(std::size_t bot, std::size_t update, bool accepted);

  [[nodiscard]] std::int64_t id_of(std::size_t bot, std::size_t update) const;
  /// Index of bot and update; nothing for what never was.
  [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>>
  find(std::int64_t update_id) const;
  [[nodiscard]] std::string body_of(std::size_t bot, std::size_t update) const;
  /// The chat_id of a JSON body; 0: none.
  [[nodiscard]] static std::int64_t chat_in(const std::string& body);
  [[nodiscard]] bot* by_token(const std::string& token);

  std::vector<bot> bots;
  std::uint64_t accepted = 0;

private:
  void get_updates(bot& x, const std::string& body, std::function<void(telegram_answer)> then);
  void answer_poll(bot& x);
  [[nodiscard]] std::string waiting(const bot& x) const;
  void ack(bot& x, std::size_t update);
  void pump(std::size_t bot);

  outside& world_;
};

} // namespace troupe::simulation

#pragma once
#include "runtime/policy/recent_map.hpp"
#include "runtime/policy/time.hpp"

#include <cstdint>

namespace troupe {

struct flood_limits {
  /// 429s for two different chats of a bot within this time hold the whole bot.
  duration widen_within = std::chrono::seconds{30};
  std::size_t max_holds = 65'536; ///< Of chats, and of bots: beyond them holds get coarser.
};

/// What 429s taught. What a 429 covers is not published: at first it holds its chat and method (or,
/// without a chat, the method); when other chats of the bot are hit too, the whole bot. A hold ends
/// after its `retry_after`.
class flood_holds {
public:
  explicit flood_holds(const flood_limits& limits = {}) noexcept : limits_(limits) {}

  /// The Bot API answered 429. @param chat 0: none
  /// @returns whether the whole bot is held now
  bool report(std::int64_t bot, std::int64_t chat, std::uint16_t method, duration retry_after,
              time_point now);

  /// What another node learnt: no 429 more. @param whole the bot as a whole; no chat and no method
  void restore(std::int64_t bot, std::int64_t chat, std::uint16_t method, bool whole, duration left,
               time_point now);

  /// Each hold in force: `f(bot, chat, method, whole, until)`.
  template <class F>
  void for_each(time_point now, F&& f) const {
    holds_.for_each([&](const key& k, time_point until) {
      if (until > now)
        f(k.bot, k.chat, k.method, false, until);
    });
    bots_.for_each([&](std::int64_t bot, const bot_state& b) {
      if (b.held_until > now)
        f(bot, std::int64_t{0}, std::uint16_t{0}, true, b.held_until);
    });
  }

  /// When the whole bot's hold ends; in the past if it is not held.
  [[nodiscard]] time_point bot_free_at(std::int64_t bot) const noexcept;

  /// When this chat and method are held no longer, the bot's own hold left aside.
  [[nodiscard]] time_point chat_free_at(std::int64_t bot, std::int64_t chat,
                                        std::uint16_t method) const noexcept;

  /// `from` turned out to be `to`.
  void merge_bot(std::int64_t from, std::int64_t to);

  /// Holds in force.
  [[nodiscard]] std::size_t count(time_point now) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return holds_.size() + bots_.size(); }

private:
  struct key {
    std::int64_t bot = 0;
    std::int64_t chat = 0;
    std::uint16_t method = 0;
    friend bool operator==(const key&, const key&) = default;
  };
  struct key_hash {
    std::uint64_t operator()(const key& x) const noexcept {
      auto h = mix(static_cast<std::uint64_t>(x.bot)) ^ static_cast<std::uint64_t>(x.chat);
      return mix(h + x.method);
    }
  };
  struct bot_state {
    time_point held_until{};
    time_point hit_at{};       ///< Last 429 with a chat, ...
    std::int64_t hit_chat = 0; ///< ... and that chat.
  };

  void forget_stale(time_point now);

  flood_limits limits_;
  recent_map<key, time_point, key_hash> holds_;
  recent_map<std::int64_t, bot_state> bots_;
};

} // namespace troupe

#pragma once
#include "tests/sandbox/limits.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sandbox {

struct bot;

enum class chat_type : std::uint8_t { personal, group, supergroup, channel };
[[nodiscard]] std::string_view to_string(chat_type x) noexcept;

/// A message. The strings are JSON members, each with its leading comma, ready to be joined.
struct message {
  std::int64_t id = 0;
  std::int64_t date = 0;      ///< Unix time.
  std::int64_t edit_date = 0; ///< 0: never edited.
  bool from_bot = false;
  bool deleted = false;
  std::int64_t author = 0;
  std::string author_member; ///< `,"from":{…}`, or `,"sender_chat":{…}` in channels.
  std::string extra;         ///< Replies, forwards, threads: `,"reply_to_message":{…}`.
  std::string content;       ///< `,"text":"…"` or `,"photo":[…]`.
  std::string caption;       ///< `,"caption":"…"`.
  std::string markup;        ///< `,"reply_markup":{…}`.
};

/// A private chat belongs to one bot and one user and has the user's id; others are shared.
/// `mutex` guards everything that is not const.
struct chat {
  chat(chat_type type, std::int64_t id, std::size_t keep) : type(type), id(id), keep(keep) {}

  const chat_type type;
  const std::int64_t id;
  const std::size_t keep; ///< Messages that are remembered.

  std::mutex mutex;
  std::string title;    ///< Or the user's first name.
  std::string username; ///< Without @; may be empty.
  std::string json;     ///< The Chat object. Call `name` to change it.
  std::string description;
  std::vector<std::weak_ptr<bot>> bots;
  std::map<std::int64_t, std::string> members; ///< User id to status: "member", "kicked", …
  bool blocked = false;                        ///< The user stopped the bot.
  std::int64_t migrated_to = 0;                ///< The supergroup that it became.
  std::int64_t pinned = 0;
  std::int64_t next_id = 1;
  chat_windows windows;

  [[nodiscard]] bool group() const noexcept { return type != chat_type::personal; }

  // The rest needs `mutex` to be held.

  void rename(std::string_view new_title, std::string_view new_username);
  /// Adds `x` with the next id. The reference is good until the next one is added.
  message& append(message x);
  /// Nullptr: unknown, deleted or forgotten.
  [[nodiscard]] message* find(std::int64_t id);
  /// Appends the Message object.
  void render(const message& x, std::string& out) const;
  /// The remembered messages, oldest first.
  template <class F>
  void each_message(F f) const {
    auto first = next_id > static_cast<std::int64_t>(log.size())
                   ? next_id - static_cast<std::int64_t>(log.size())
                   : 1;
    for (auto id = first; id < next_id; ++id)
      if (auto& x = log[slot(id)]; !x.deleted && x.id == id)
        f(x);
  }

private:
  [[nodiscard]] std::size_t slot(std::int64_t id) const noexcept {
    return static_cast<std::size_t>(id - 1) % keep;
  }

  std::vector<message> log; ///< A ring, once it has grown to `keep`.
};

} // namespace troupe::sandbox

#pragma once
#include "tests/sandbox/arrivals.hpp"
#include "tests/sandbox/bot.hpp"
#include "tests/sandbox/faults.hpp"
#include "tests/sandbox/files.hpp"
#include "tests/sandbox/limits.hpp"
#include "tests/sandbox/options.hpp"
#include "tests/sandbox/stats.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <shared_mutex>
#include <unordered_map>

namespace troupe::sandbox {

class webhook_sender;

struct user {
  std::int64_t id = 0;
  std::string first_name;
  std::string username;
  std::string json;          ///< The User object.
  std::string author_member; ///< `,"from":{…}`
};

/// A callback or inline query, until it is answered.
struct query_state {
  std::int64_t bot = 0;
  std::string id;
  clock::time_point made;
  bool answered = false;
  std::string answer; ///< JSON members of the answer: `,"text":"…"`.
};

/// All of one emulated Telegram. Thread-safe. Lock order: registry, then bot or chat, never both.
class world {
public:
  explicit world(options opts);
  ~world();

  const options settings;
  limits windows;
  arrival_log arrivals;
  fault_list faults;
  call_stats stats;
  file_store files;

  /// The sandbox's time: the clock's, and what /sandbox/clock added.
  [[nodiscard]] clock::time_point now() const noexcept;
  [[nodiscard]] std::int64_t unix_now() const noexcept;
  void advance(clock::duration by);

  /// Nullptr: no such bot. With --accept-any-token a token of the right form makes one.
  [[nodiscard]] std::shared_ptr<bot> find_bot(std::string_view token);
  [[nodiscard]] std::shared_ptr<bot> find_bot(std::int64_t id);
  [[nodiscard]] std::vector<std::shared_ptr<bot>> bots();
  /// An empty token: a random one. Nullptr: that token's number is taken by another token.
  std::shared_ptr<bot> make_bot(std::string_view token, std::string_view first_name,
                                std::string_view username);

  [[nodiscard]] std::shared_ptr<const user> find_user(std::int64_t id);
  std::shared_ptr<const user> make_user(std::string_view first_name, std::string_view username,
                                        std::int64_t id = 0);

  /// A chat of `bot` with `users` (a private one: the first of them; made once).
  std::shared_ptr<chat> make_chat(chat_type type, const std::shared_ptr<bot>& bot,
                                  const std::vector<std::int64_t>& users,
                                  std::string_view title = {}, std::string_view username = {});
  /// For a bot: by id, or by @name. With --accept-any-token an unknown one is made.
  [[nodiscard]] std::shared_ptr<chat> chat_of(bot& b, std::string_view chat_id);
  /// For the control API. A user may have private chats with several bots; `bot` 0: all of them.
  [[nodiscard]] std::vector<std::shared_ptr<chat>> find_chats(std::int64_t id, std::int64_t bot);
  void migrate(const std::shared_ptr<chat>& group);

  /// A user writes: appends to the chat and tells its bots; returns the message's id.
  std::int64_t user_writes(chat& where, const user& author, message x, bool edited = false);

  std::string make_query(std::int64_t bot);
  [[nodiscard]] std::optional<query_state> find_query(std::string_view id);
  /// False: unknown, another bot's, or older than `lifetime`.
  bool answer_query(std::string_view id, std::int64_t bot, clock::duration lifetime,
                    std::string answer);

  webhook_sender& webhooks() noexcept { return *webhooks_; }

  /// Update counts over all bots.
  [[nodiscard]] update_queue::counts update_totals();
  void reset();

private:
  struct token_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view x) const noexcept {
      return std::hash<std::string_view>{}(x);
    }
  };
  struct token_shard {
    std::shared_mutex mutex;
    std::unordered_map<std::string, std::shared_ptr<bot>, token_hash, std::equal_to<>> bots;
  };

  query_state* query_at(std::string_view id);
  token_shard& shard_of(std::string_view token) noexcept;
  std::shared_ptr<chat> make_unknown_chat(bot& b, std::string_view chat_id);
  std::shared_ptr<chat> register_chat(chat_type type, std::int64_t id,
                                      const std::shared_ptr<bot>& owner);

  std::array<token_shard, 16> tokens_;
  std::atomic<clock::rep> shift_{0};
  std::mutex registry_; ///< Guards what follows.
  std::unordered_map<std::int64_t, std::shared_ptr<bot>> bots_;
  std::unordered_map<std::int64_t, std::shared_ptr<const user>> users_;
  std::unordered_map<std::int64_t, std::vector<std::shared_ptr<chat>>> chats_;
  std::unordered_map<std::string, std::shared_ptr<chat>> names_;
  std::deque<query_state> queries_; ///< The newest, bounded.
  std::int64_t next_user_;
  std::int64_t next_group_;
  std::uint64_t next_query_;
  std::unique_ptr<webhook_sender> webhooks_;
};

} // namespace troupe::sandbox

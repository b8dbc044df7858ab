#pragma once
#include "messages/fields.hpp"
#include "messages/handles.hpp"

#include <compare>
#include <memory>
#include <string>
#include <vector>

/// Updates on their way from Telegram to a bot's owner, and what a bot is told of them.
namespace troupe {

/// Text that many hold and nobody changes: within a node it travels without being copied.
struct shared_text {
  shared_text() = default;
  explicit shared_text(std::string text)
    : data(std::make_shared<const std::string>(std::move(text))) {}

  [[nodiscard]] const std::string& str() const noexcept {
    static const std::string none;
    return data ? *data : none;
  }

  std::shared_ptr<const std::string> data;
};

/// What two updates must share to be delivered one after the other.
struct queue_key {
  std::uint8_t kind = 0; ///< Which ids: the index of the update's kind for those keyed by user or
                         ///< poll, 0 for chats: so that a key holds updates of one lifetime.
  std::int64_t id = 0;
  friend auto operator<=>(const queue_key&, const queue_key&) = default;
};

/// One update, as the journal has it.
struct stored_update {
  std::int64_t seq = 0;    ///< The journal's number: ascending per bot in order of arrival, never
                           ///< given twice. 0 before it is stored.
  std::int64_t id = 0;     ///< Telegram's update_id; `unreadable_update`: what came is no update.
  std::uint8_t kind = 255; ///< Index into telegram::update_kinds(); 255: none of them.
  bool urgent = false;     ///< Of a short-lived kind: delivered before the others.
  queue_key key;
  std::int64_t received = 0; ///< Wall clock, milliseconds since 1970.
  std::int64_t expires = 0;  ///< Nobody wants it any more from then on.
  shared_text body;          ///< The update's JSON exactly as received.
};

/// The `id` of what came instead of an update. Nobody gets it: its bot makes it a dead letter, where
/// it can be seen.
inline constexpr std::int64_t unreadable_update = -1;

/// The journal tells a bot that updates wait which the bot has not been told of. Repeated when the
/// bot dies before it has dealt with them.
struct updates_ready {
  bot_id bot = 0;
  std::uint32_t pending = 0;
};

/// getUpdates, for a bot whose updates are pulled.
struct pull_request {
  std::uint64_t id = 0;     ///< The caller's, for pull_cancel; unique among a node's gateways.
  std::int64_t offset = 0;  ///< Confirms all below it; negative: keeps the last so many; 0: none.
  std::uint32_t limit = 100; ///< 1 to 100.
  caf::timespan timeout{0}; ///< Waits so long for a first update.
  std::int64_t worker = 0;  ///< The virtual token that pulls; 0: the bot's own token. With several
                            ///< workers a chat stays with one.
};
struct pull_answer {
  std::vector<shared_text> updates; ///< By update id.
};
/// The client went away: what was handed to it is not confirmed and comes again.
struct pull_cancel {
  std::uint64_t id = 0;
};

template <class Inspector>
bool inspect(Inspector& f, shared_text& x) {
  auto get = [&x]() -> const std::string& { return x.str(); };
  auto set = [&x](std::string text) {
    x = shared_text{std::move(text)};
    return true;
  };
  return f.object(x).fields(f.field("text", get, set));
}

TROUPE_FIELDS(queue_key, kind, id)
TROUPE_FIELDS(stored_update, seq, id, kind, urgent, key, received, expires, body)
TROUPE_FIELDS(updates_ready, bot, pending)
TROUPE_FIELDS(pull_request, id, offset, limit, timeout, worker)
TROUPE_FIELDS(pull_answer, updates)
TROUPE_FIELDS(pull_cancel, id)

} // namespace troupe

#pragma once
#include "actors/bot/receiver.hpp"
#include "actors/bot/state.hpp"
#include "messages/journal.hpp"
#include "runtime/policy/inbox.hpp"
#include "runtime/registry/update_meter.hpp"
#include "runtime/registry/update_services.hpp"

#include <array>
#include <map>

namespace troupe::bot {

/// Why an attempt failed, and what follows.
struct attempt_note {
  std::string reason;    ///< For people, without secrets: "the receiver answered 500".
  bool counted = true;   ///< The receiver had it: one of its attempts.
  caf::timespan hold{0}; ///< Nothing goes to the receiver for so long (Retry-After).
};

/// What a bot has of its updates: a window of those that wait for their receiver or are with it.
/// Made when the journal tells the bot of updates, dropped when nothing is left. Everything in it
/// is also in the journal: a bot that dies loses its inbox and nothing else.
///
/// Hands over while the bot is active, as the bot's entry in the delivery book says at that moment.
class inbox {
public:
  explicit inbox(bot_state& owner);
  ~inbox();
  inbox(const inbox&) = delete;
  inbox& operator=(const inbox&) = delete;

  /// The bot's inbox, made if there is none.
  static inbox& of(bot_state& owner);

  // -- From the bot -------------------------------------------------------------

  /// updates_ready; also a hint that the bot's entry in the book has changed.
  void told();
  /// The bot is in another phase.
  void phase_changed();
  /// Whether nothing is lost with it now: what it knows, the journal knows.
  [[nodiscard]] bool rests() const;
  caf::result<pull_answer> pull(const pull_request& what);
  void cancel(const pull_cancel& what);

  // -- From receivers, once per attempt -------------------------------------------

  void delivered(std::int64_t seq);
  /// Another attempt follows, or the update is dead: it had as many as its receiver may have.
  void failed(std::int64_t seq, attempt_note why);
  void dead(std::int64_t seq, std::string reason);
  /// A service of the node was in the way: again after a short pause, as if it had not been tried.
  void later(std::int64_t seq);

  /// The bot ends with this, which an attempt at that update made necessary, once the updates that
  /// are with receivers have ended and the journal knows: they need not be repeated. Nothing is
  /// handed over any more.
  void quit_after_others(std::int64_t seq, caf::error why);

  /// The receiver wants nothing for so long: its delivery pauses, which the delivery book shows.
  void pause(caf::timespan how_long, std::string_view reason);

  // -- For receivers -------------------------------------------------------------

  /// The bot's entry in the delivery book now; null: none.
  [[nodiscard]] delivery_book::entry settings() const;
  /// Null where nothing is stored; then there is no inbox.
  [[nodiscard]] update_services& services() const noexcept { return *bot.found->updates; }
  /// Whether the bot may hand updates over now.
  [[nodiscard]] bool open() const noexcept { return takes_calls(bot.phase); }
  /// Milliseconds since 1970, as updates are stamped.
  [[nodiscard]] std::int64_t wall() const { return services().wall(); }
  // -- For one that fetches for itself

  /// An attempt at it, from another mode, has not ended.
  [[nodiscard]] bool under_way(std::int64_t seq) const noexcept { return window_.contains(seq); }
  /// Updates that are with receivers, or whose end is not stored yet.
  [[nodiscard]] std::size_t under_way() const noexcept { return under_way_ + ending_; }
  /// It has ended; the journal may not know yet.
  [[nodiscard]] bool ended(std::int64_t seq) const noexcept;
  /// What came is no update (`unreadable_update`).
  [[nodiscard]] update_end end_of_unreadable(const stored_update& what) const;
  /// Tells of an update that ends as a dead letter. @param received of the update
  void note_dead(std::string_view reason, std::int64_t received) const;

  /// Counts for metrics; `received`: of the update.
  void count(update_step what, std::int64_t received) const;

  bot_state& bot;

private:
  using mode = updates::delivery_mode;

  // inbox.cpp: handing over.
  void pump();
  void step();
  void adopt_settings();
  void forget_waiting();
  receiver* current();
  void hand_over();
  void expire();
  void end(std::int64_t seq, update_verdict how, std::uint32_t attempts, std::string reason = {});
  void arm();
  void on_timer();
  [[nodiscard]] bool idle() const;
  /// The node is about to stop, or the bot to leave it: nothing is begun.
  [[nodiscard]] bool winds_up() const {
    return services().draining || services().book.rests(bot.id);
  }
  /// The node's count of what is under way, with this bot's as it is now.
  void count_under_way(std::size_t running, std::size_t ending);
  [[nodiscard]] time_point drop_at() const;
  [[nodiscard]] time_point now() const { return bot.self->clock().now(); }
  [[nodiscard]] std::uint32_t allowed_attempts() const;

  // inbox_journal.cpp: fetching and ending.
  void look_for_journal();
  void attach();
  void fetch();
  void take(update_page page);
  void flush();
  void flushed(bool stored);
  void journal_failed();
  void journal_works();
  /// Another receiver fetches for itself: an attempt from before that failed is no longer ours.
  bool leave_to_other(std::int64_t seq);

  troupe::inbox::window window_;
  std::map<std::int64_t, stored_update> held_;         ///< What the window has, by seq.
  delivery_book::entry entry_;                         ///< As seen last.
  std::array<std::unique_ptr<receiver>, 4> receivers_; ///< By mode.
  receiver* told_ = nullptr;                     ///< The one that fetches for itself and is open.
  caf::actor_addr journal_;                      ///< Whom the cursors belong to.
  bool more_ = false;                            ///< There may be something behind the cursors.
  time_point look_again_at_ = time_point::max(); ///< The same, from then on.
  caf::error last_words_;                        ///< With which the bot ends soon.
  std::uint64_t generation_ = 0;                 ///< Of the window, as seen last.
  std::size_t under_way_ = 0;                    ///< As counted last.
  std::size_t ending_ = 0;                       ///< The same.
  bool fetching_ = false;
  bool attach_ = false; ///< The journal is to be told that this bot takes updates.
  bool attaching_ = false;
  bool pumping_ = false;
  bool again_ = false;
  bool paused_ = false; ///< The book shows a pause.
  bool alerted_ = false;
  std::uint32_t journal_failures_ = 0;
  time_point ask_journal_at_{};     ///< Not before.
  std::vector<update_end> ends_;    ///< To be sent.
  std::vector<update_end> sending_; ///< Sent, not answered yet.
  time_point timer_at_{};
  caf::disposable timer_;
  time_point idle_since_ = time_point::max();
};

} // namespace troupe::bot

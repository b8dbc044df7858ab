#pragma once
#include "actors/journal/bot_queue.hpp"
#include "actors/journal/cache.hpp"
#include "actors/journal/fresh_marks.hpp"
#include "actors/journal/group.hpp"
#include "actors/journal/journal.hpp"
#include "actors/store/work.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>
#include <unordered_map>
#include <unordered_set>

/// The journal actor's state; for the files of this folder only.
namespace troupe::journal {

/// `ok_atom`: there are ends of works to take.
using journal_impl = journal_actor::extend<caf::result<void>(caf::ok_atom)>;

[[nodiscard]] inline caf::error unavailable() {
  return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
}

struct journal_state {
  static inline const char* name = "troupe.journal";

  journal_state(journal_impl::pointer self, journal_config config, journal_ports ports);
  journal_impl::behavior_type make_behavior();

  // -- requests: journal.cpp

  template <class T>
  using promise = caf::typed_response_promise<T>;
  /// Handles a request with `how`, or does so once everything is loaded.
  template <class T, class X>
  caf::result<T> take(void (journal_state::*how)(X&, promise<T>), X& x);

  void append(update_append& x, promise<append_result> to);
  void end_updates(update_ends& x, promise<void> to);
  void confirm(update_confirm& x, promise<confirm_result> to);
  void confirm_warm(update_confirm& x, promise<confirm_result> to);
  using ids_by_arrival = std::vector<std::pair<std::int64_t, std::int64_t>>; ///< (seq, update_id)
  void confirm_seen(const update_confirm& x, ids_by_arrival arrived, std::vector<std::int64_t> seqs,
                    promise<confirm_result> to);
  void confirm_all(bot_id bot, const std::vector<std::int64_t>& seqs, promise<confirm_result> to);
  void forget(bot_id bot);
  void replay(dead_letter_replay& x, promise<replay_result> to);
  void count(pending_query& x, promise<pending_count> to);
  void set_limits(const journal_limits& x);
  [[nodiscard]] journal_report report() const;
  void sweep();
  void forget_idle_bots();
  void stop();

  // -- what goes to the store: writing.cpp

  struct waiting_append {
    bot_id bot = 0;
    std::vector<stored_update> updates;
    caf::typed_response_promise<append_result> to;
  };
  /// Whoever waits until ends are stored: told with an error, or with none. @returns whether he is
  /// answered, or waits on
  using waiter = std::function<bool(const caf::error&)>;
  struct waiting_replay {
    dead_letter_replay what;
    caf::typed_response_promise<replay_result> to;
  };
  struct written {
    std::shared_ptr<group> what;
    std::shared_ptr<caf::error> failed;
    std::vector<waiting_append> appends;
    std::vector<waiter> waiters; ///< For its ends: kept with them when it fails.
    std::vector<waiting_replay> replays;
    std::vector<std::function<void(const caf::error&)>> settling;
    std::int64_t was_dropped = 0; ///< `marks_dropped` before it.
  };

  /// Takes an update out of its bot's queue: it has ended. @returns whether it was there
  bool leave(bot_id bot, bot_queue& q, const update_end& x);
  void write();
  void gather(caf::timespan took, std::size_t answered);
  [[nodiscard]] std::size_t waiting_items() const noexcept;
  std::shared_ptr<group> next_group(written& to);
  void take_appends(group& to, written& from);
  void take_marks(group& to, written& from);
  void written_down(written& what);
  void stored_updates(written& what);
  void stored_ends(group& what);
  void stored_replays(written& what);
  void write_failed(written& what, const caf::error& why);
  [[nodiscard]] std::int64_t next_number() noexcept { return next_seq++; }

  // -- what comes from the store: loading.cpp

  void load();
  void load_some(std::int64_t after);
  void load_dead(bot_id after);
  void loaded(const store::pending_update& x);
  void begin();
  void load_failed();
  /// Runs `what.run` once the bot's queue is in memory.
  void when_warm(bot_id bot, bot_queue& q, bot_queue::waiting_request what);
  void warm_up(bot_id bot);
  void warmed(bot_id bot, const caf::error& why, const std::vector<store::pending_update>& found);
  void run_deferred(bot_id bot);
  void cool(bot_queue& q);
  void cool_down();
  void fetch(update_fetch& x, promise<update_page> to);
  void fetch_warm(const update_fetch& x, promise<update_page> to);
  void give_page(const update_fetch& x, const std::vector<std::int64_t>& seqs,
                 std::vector<stored_update> known, promise<update_page> to);
  void list_dead(dead_letter_query& x, promise<dead_letter_page> to);

  // -- bots: telling.cpp

  void attach(journal_attach& x, promise<pending_count> to);
  void tell(bot_id bot, bot_queue& q);
  void watch(bot_id bot, bot_queue& q, bot_actor who);
  void unwatch(bot_id bot, bot_queue& q);
  void consumer_down(caf::actor_id who);
  void look_for(bot_id bot);
  void find_bots();

  // -- works

  /// Hands a work over; `then` runs on this actor when it has ended.
  void submit(storage::work what, std::function<void()> then);
  /// Reads with `query(unit)`, then calls `then(error, result)`.
  template <class Query, class Then>
  void read(Query query, Then then);
  /// The same, of what the store has by bot: the bot's fresh marks are merged before.
  template <class Query, class Then>
  void read_marks(bot_id bot, Query query, Then then);
  void take_ended();

  bot_queue& queue(bot_id bot);
  [[nodiscard]] bot_queue* find(bot_id bot);
  [[nodiscard]] pending_count count_of(const bot_queue& q) const;
  [[nodiscard]] std::int64_t wall() const { return ports.now(); }
  [[nodiscard]] std::int64_t lifetime_ms() const noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(cfg.lifetime).count();
  }
  [[nodiscard]] caf::actor_clock::time_point now() const { return self->clock().now(); }

  journal_impl::pointer self;
  journal_config cfg;
  journal_ports ports;
  std::shared_ptr<storage::completion> ended;
  std::unordered_map<std::uint64_t, std::function<void()>> running; ///< By work.
  std::uint64_t last_work = 0;

  std::unordered_map<bot_id, bot_queue> queues;
  cache bodies;
  std::size_t entries = 0; ///< In the queues of warm bots.

  bool ready = false;
  std::uint64_t epoch = 0; ///< Counts loads.
  bool stopping = false;
  std::vector<bot_queue::waiting_request> deferred; ///< Until it is ready, or the store has failed.
  std::int64_t next_seq = 0;
  std::int64_t end_of_block = 0; ///< The first number that is not ours.
  std::int64_t next_block = 0;   ///< Taken already, for afterwards; 0: none.
  bool writing = false;
  bool gathering = false; ///< The next group waits for more.
  std::size_t enough = 0; ///< So many end that.
  std::uint64_t gathered = 0;
  std::uint32_t not_worth = 0;
  std::size_t wary = 0; ///< So many appends go alone: one of them broke a rule.
  bool retry_armed = false;
  std::deque<waiting_append> appends;
  std::vector<ending> ends;
  std::unordered_set<std::int64_t> ending_seqs; ///< Not in the store yet: they do not wait.
  std::vector<waiter> waiters;
  std::vector<waiting_replay> replays;
  std::unordered_set<bot_id> forgotten;
  std::unordered_set<bot_id> to_truncate;
  fresh_marks fresh;
  std::int64_t marks_dropped = 0;       ///< Below this no fresh marks are stored.
  std::unordered_set<bot_id> to_settle; ///< Their fresh marks go with the next group.
  std::vector<std::function<void(const caf::error&)>> settling; ///< Called when they have.
  std::uint32_t waiting_updates = 0;

  std::unordered_multimap<caf::actor_id, bot_id> watched;
  std::unordered_set<bot_id> not_found; ///< Have updates, and no actor.
  bool finding = false;

  journal_report counts;
};

// -- templates

template <class Query, class Then>
void journal_state::read(Query query, Then then) {
  using result = std::invoke_result_t<Query&, store::unit&>;
  struct answer {
    caf::error why;
    result what{};
  };
  auto kept = std::make_shared<answer>();
  storage::work what;
  what.how = storage::work::kind::read;
  what.run = [kept, query = std::move(query)](store::unit& u) {
    kept->why = {};
    kept->what = query(u);
  };
  what.fail = [kept](caf::error why) { kept->why = std::move(why); };
  submit(std::move(what),
         [kept, then = std::move(then)]() mutable { then(kept->why, kept->what); });
}

template <class Query, class Then>
void journal_state::read_marks(bot_id bot, Query query, Then then) {
  auto* q = find(bot);
  if (!fresh.contains(bot) && (q == nullptr || q->coming == 0))
    return read(std::move(query), std::move(then));
  to_settle.insert(bot);
  settling.push_back(
    [this, query = std::move(query), then = std::move(then)](const caf::error& why) mutable {
      if (!why)
        return read(std::move(query), std::move(then));
      std::invoke_result_t<Query&, store::unit&> nothing{};
      then(why, nothing);
    });
  write();
}

template <class T, class X>
caf::result<T> journal_state::take(void (journal_state::*how)(X&, promise<T>), X& x) {
  auto to = self->make_response_promise<T>();
  if (stopping || (!ready && deferred.size() >= cfg.max_waiting))
    to.deliver(unavailable());
  else if (ready)
    (this->*how)(x, to);
  else
    deferred.push_back({[this, how, x = std::move(x), to]() mutable { (this->*how)(x, to); },
                        [to](const caf::error& why) mutable { to.deliver(why); }});
  return to;
}

} // namespace troupe::journal

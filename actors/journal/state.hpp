#pragma once
#include "actors/journal/bot_queue.hpp"
#include "actors/journal/cache.hpp"
#include "actors/journal/fresh_marks.hpp"
#include "actors/journal/group.hpp"
#include "actors/journal/holding.hpp"
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

  struct waiting_append;
  template <class T>
  using promise = caf::typed_response_promise<T>;

  // -- many nodes on one store: shards.cpp

  [[nodiscard]] bool mine(bot_id bot) const noexcept {
    return !ports.cluster || held[shard_of(bot)].revision != 0;
  }
  [[nodiscard]] bool is_coming(shard_id shard) const {
    return next_gain.shards.contains(shard) || (gaining && gaining->shards.contains(shard));
  }
  /// Whether memory still is what it was when the group was gathered, as far as the bot goes.
  [[nodiscard]] bool applies(const group& g, bot_id bot) const;
  void hold_owned();
  caf::result<done> gained(const shards_gained& x);
  void begin_gain();
  void raise_and_load(const std::shared_ptr<gain>& what);
  void end_gain(const std::shared_ptr<gain>& what);
  caf::result<done> lost(const shards_lost& x);
  caf::result<done> keep_pasts(const pasts_keep& x);
  caf::result<pasts_kept> find_pasts(const pasts_ask& x);
  void check_leaving();
  void drop_shard(shard_id shard);
  void drop_queue(bot_id bot, const caf::error& why);
  void drop_fenced(const group& g);
  void stamp(group& g) const;

  // -- the box: box.cpp

  void append_to_box(update_append& x, promise<append_result> to);
  void complete(std::vector<stored_update>& what) const;
  void reroute(waiting_append&& what);
  void write_box();
  void boxed(std::vector<waiting_append>& what, const caf::error& why,
             const std::vector<std::optional<std::size_t>>& fresh);
  void look_in_box(bot_id bot);
  void look_on();
  void look_in_boxes();

  // -- requests: journal.cpp

  /// Handles a request with `how`, or does so once everything is loaded.
  template <class T, class X>
  caf::result<T> take(void (journal_state::*how)(X&, promise<T>), X& x);
  /// The same when it is; of a bot that is not ours it goes elsewhere.
  template <class T, class X>
  void serve(void (journal_state::*how)(X&, promise<T>), X& x, promise<T> to);

  /// Bodies in a request.
  template <class X>
  [[nodiscard]] static std::uint64_t bytes_in(const X& x);
  /// Whether a request with so many bytes may wait behind so many others.
  [[nodiscard]] bool may_wait(std::size_t others, std::uint64_t bytes) const noexcept {
    return others < cfg.max_waiting
           && (bytes == 0 || waiting_bytes == 0 || waiting_bytes + bytes <= cfg.max_waiting_bytes);
  }

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
    caf::typed_response_promise<append_result> to; ///< Of one from the box: nobody's.
    std::vector<std::int64_t> places{};            ///< In the box, if it is from there.

    template <class T>
    void answer(T&& what) {
      if (places.empty())
        to.deliver(std::forward<T>(what));
    }
  };
  /// Whoever waits until ends are stored: told with an error, or with none. @returns whether he is
  /// answered, or waits on
  struct waiter {
    bot_id bot = 0;
    std::function<bool(const caf::error&)> run;
    bool operator()(const caf::error& why) const { return run(why); }
  };
  struct waiting_replay {
    dead_letter_replay what;
    caf::typed_response_promise<replay_result> to;
    bool all = false;
    std::size_t left = 0; ///< So many letters more.
    replay_result done{};
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
  [[nodiscard]] static std::uint64_t bytes_of(const std::vector<stored_update>& what);
  /// Whether they may wait for a commit, too.
  [[nodiscard]] bool has_room(const std::vector<stored_update>& what) const;
  void now_wait(const std::vector<stored_update>& what);
  void wait_no_more(const std::vector<stored_update>& what);
  void write();
  void gather(caf::timespan took, std::size_t answered);
  [[nodiscard]] std::size_t waiting_items() const noexcept;
  std::shared_ptr<group> next_group(written& to);
  void take_appends(group& to, written& from);
  void take_replays(group& to, written& from);
  void take_marks(group& to, written& from);
  void written_down(written& what);
  void stored_updates(written& what);
  void stored_ends(group& what);
  void stored_replays(written& what);
  void stored_replay(const group::replay& x, const group& g);
  void write_failed(written& what, const caf::error& why);
  [[nodiscard]] std::int64_t next_number() noexcept { return next_seq++; }

  // -- what comes from the store: loading.cpp

  /// What is read: all that the node has, or shards that it gained.
  struct loading {
    std::optional<store::shard_set> of; ///< Nothing: all that is stored.
    std::shared_ptr<gain> for_gain;
    std::uint64_t epoch = 0;
  };
  using loading_ptr = std::shared_ptr<loading>;

  void load();
  void load_some(loading_ptr what, std::int64_t after);
  void load_dead(loading_ptr what, bot_id after);
  void loaded(const store::pending_update& x);
  void begin();
  void load_failed(const loading& what);
  void take_block(std::int64_t first);
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
  void take_back(bot_queue& q);
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
  [[nodiscard]] std::int64_t grace_ms() const noexcept {
    return std::chrono::duration_cast<std::chrono::milliseconds>(cfg.given_grace).count();
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
  std::deque<waiting_replay> replays;
  bool replayed = false; ///< With the last group: what came meanwhile has its turn.
  std::unordered_set<bot_id> forgotten;
  std::unordered_set<bot_id> to_truncate;
  fresh_marks fresh;
  std::int64_t marks_dropped = 0;       ///< Below this no fresh marks are stored.
  std::unordered_set<bot_id> to_settle; ///< Their fresh marks go with the next group.
  std::vector<std::function<void(const caf::error&)>> settling; ///< Called when they have.
  std::uint32_t waiting_updates = 0;
  std::uint64_t waiting_bytes = 0; ///< Of their bodies, and of those that wait to be looked at.

  std::unordered_multimap<caf::actor_id, bot_id> watched;
  std::unordered_set<bot_id> not_found; ///< Have updates, and no actor.
  bool finding = false;

  std::array<shard_held, shard_count> held{};
  std::uint64_t last_term = 0;
  std::uint64_t blocks = 0; ///< Counts blocks of numbers.
  gain next_gain;
  std::shared_ptr<gain> gaining;
  std::vector<std::function<void()>> parked; ///< Until the shards that come are there.
  std::vector<departure> leaves;
  std::shared_ptr<group> flying; ///< At the store.
  std::deque<waiting_append> boxing;
  bool writing_box = false;
  std::unordered_set<bot_id> looking; ///< What the box has of them is on its way.
  std::unordered_set<bot_id> to_look; ///< They are looked for when others have been.
  std::uint64_t box_reads = 0;        ///< Under way.
  bool walking_box = false;
  caf::actor_clock::time_point next_walk{};

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
  if (ready && !stopping) {
    serve(how, x, to);
    return to;
  }
  auto bytes = bytes_in(x);
  if (stopping || !may_wait(deferred.size(), bytes)) {
    to.deliver(unavailable());
    return to;
  }
  waiting_bytes += bytes;
  deferred.push_back({[this, how, bytes, x = std::move(x), to]() mutable {
                        waiting_bytes -= bytes;
                        serve(how, x, to);
                      },
                      [this, bytes, to](const caf::error& why) mutable {
                        waiting_bytes -= bytes;
                        to.deliver(why);
                      }});
  return to;
}

template <class X>
std::uint64_t journal_state::bytes_in(const X& x) {
  if constexpr (std::is_same_v<X, update_append>)
    return bytes_of(x.updates);
  else
    return 0;
}

template <class T, class X>
void journal_state::serve(void (journal_state::*how)(X&, promise<T>), X& x, promise<T> to) {
  if (!ports.cluster || std::is_same_v<X, dead_letter_query>)
    return (this->*how)(x, to);
  auto shard = shard_of(x.bot);
  if (is_coming(shard)) {
    auto bytes = bytes_in(x);
    if (!may_wait(parked.size(), bytes))
      return to.deliver(unavailable());
    waiting_bytes += bytes;
    parked.push_back([this, how, bytes, x = std::move(x), to]() mutable {
      waiting_bytes -= bytes;
      serve(how, x, to);
    });
    return;
  }
  auto ours = held[shard].revision != 0;
  if constexpr (std::is_same_v<X, update_append>) {
    if (!ours || held[shard].leaving)
      return append_to_box(x, to);
  } else if (!ours) {
    return to.deliver(caf::make_error(store_refusal::fenced));
  }
  (this->*how)(x, to);
}

} // namespace troupe::journal

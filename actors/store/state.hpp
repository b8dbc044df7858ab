#pragma once
#include "actors/store/perform.hpp"
#include "actors/store/store.hpp"
#include "runtime/store/shards.hpp"

#include <caf/disposable.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <optional>
#include <unordered_map>

/// The store actor's state; for the files of this folder only.
namespace troupe::storage {

/// `ok_atom`: there are ends of works to take.
using store_impl = store_actor::extend<caf::result<void>(caf::ok_atom)>;

template <class Request>
using answer_to = typename decltype(perform(std::declval<unit&>(), std::declval<const context&>(),
                                            std::declval<const Request&>()))::value_type;

struct store_state {
  static inline const char* name = "troupe.store";

  store_state(store_impl::pointer self, store_config config, store_ports ports);
  store_impl::behavior_type make_behavior();

  // -- works

  /// Hands a work over; `then` runs on this actor when it has ended.
  void submit(work what, std::function<void()> then);

  /// Reads overtake writes. A registrar that begins anew may not: what the one before it, or a
  /// store before this one, handed over to be written would be there, and served by nobody.
  template <class Request>
  static bool follows_writes(const Request& x) {
    if constexpr (std::is_same_v<Request, bot_load>)
      return x.after == 0;
    else
      return false;
  }

  /// Does what `x` asks for on the database, then calls `then(answer<T>&)`. Errors: see refusal_of.
  template <class Request, class Then>
  void ask(Request x, Then then) {
    using result = std::optional<answer<answer_to<Request>>>;
    auto kept = std::make_shared<result>();
    work what;
    what.how = only_reads<Request> && !follows_writes(x) ? work::kind::read : work::kind::write;
    std::optional<shard_hold> hold;
    if constexpr (is_fenced<Request>)
      if (ports.cluster)
        hold = hold_of(fenced_bot(x));
    what.run = [kept, hold, c = ports.context, x = std::move(x)](unit& u) {
      if (hold && (hold->revision == 0 || !store::newer_fences(u, {&*hold, 1}).empty()))
        kept->emplace(caf::make_error(store_refusal::fenced));
      else
        kept->emplace(perform(u, *c, x));
    };
    what.fail = [kept](caf::error why) { kept->emplace(std::move(why)); };
    submit(std::move(what), [this, hold, kept, then = std::move(then)]() mutable {
      if (hold && !**kept && (*kept)->error() == store_refusal::fenced)
        note_fenced(*hold);
      count(**kept ? caf::error{} : (*kept)->error());
      then(**kept);
    });
  }

  /// The usual handler: one work, its answer is the request's.
  template <class Request>
  caf::result<answer_to<Request>> serve(const Request& x) {
    if (auto why = refused())
      return *why;
    auto promise = self->make_response_promise<answer_to<Request>>();
    ask(x, [promise](answer<answer_to<Request>>& what) mutable { deliver(promise, what); });
    return promise;
  }

  /// The same for what changes whose keys are worth what.
  template <class Request>
  caf::result<answer_to<Request>> serve_forgetting(const Request& x) {
    if (auto why = refused())
      return *why;
    auto promise = self->make_response_promise<answer_to<Request>>();
    ask(x, [this, promise](answer<answer_to<Request>>& what) mutable {
      ++identity_epoch;
      identities.clear();
      deliver(promise, what);
    });
    return promise;
  }

  template <class T>
  static void deliver(caf::typed_response_promise<T>& promise, answer<T>& what) {
    if (what)
      promise.deliver(std::move(*what));
    else
      promise.deliver(std::move(what.error()));
  }

  /// What is written for a bot carries this. Revision 0: its shard is not ours.
  [[nodiscard]] shard_hold hold_of(bot_id bot) const {
    auto shard = shard_of(bot);
    return {shard, ports.cluster->fence_of(shard)};
  }
  /// Told once for each time that a shard was ours.
  void note_fenced(const shard_hold& what);

  void take_ended();
  /// For the report: how a request ended.
  void count(const caf::error& why);
  /// Why no request is taken now.
  [[nodiscard]] std::optional<caf::error> refused() const;
  void end();

  // -- what is more than one work: requests.cpp

  struct lookup;
  struct kept_identity {
    identity whose;
    caf::actor_clock::time_point until;
    caf::actor_clock::time_point mark_again; ///< When its use is written down again.
  };
  struct waiting_begin {
    std::function<void()> again;
    caf::disposable timer;
  };

  caf::result<bot_batch> look_up(bot_lookup x);
  void next_chunk(std::shared_ptr<lookup> x);
  caf::result<identity> identify(const authenticate& x);
  void mark_used(kept_identity& x);
  caf::result<idempotency_answer> begin(const idempotency_begin& x);
  void try_begin(idempotency_begin x, caf::actor_clock::time_point until,
                 caf::typed_response_promise<idempotency_answer> promise);
  void lose_begun(idempotency_end x);
  caf::result<done> finish(const idempotency_end& x);
  caf::result<backup_done> back_up(const backup_request& x);
  void lose_running();
  void expire_answers();
  void expire_usage(bot_id after);
  [[nodiscard]] store_report report() const;

  caf::actor_clock::time_point now() const { return self->clock().now(); }

  store_impl::pointer self;
  store_config cfg;
  store_ports ports;
  std::shared_ptr<completion> ended;
  std::unordered_map<std::uint64_t, std::function<void()>> running; ///< By work.
  std::uint64_t last_work = 0;
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t failures = 0;
  std::uint64_t commits_before = 0; ///< Of earlier incarnations.
  bool reachable = true;
  bool ending = false;
  std::unordered_map<shard_id, std::int64_t> fenced; ///< Told of, by revision.

  std::unordered_map<std::string, kept_identity> identities; ///< By the key's hash.
  std::uint64_t identity_epoch = 0; ///< Answers read before a change are not kept.
  std::unordered_multimap<std::string, std::shared_ptr<waiting_begin>> begins;
};

} // namespace troupe::storage

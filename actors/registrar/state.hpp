#pragma once
#include "actors/registrar/registrar.hpp"
#include "actors/registrar/shards.hpp"
#include "messages/supervisor.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/wall_clock.hpp"

#include <caf/disposable.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

/// The registrar's state; for the files of this folder only.
namespace troupe::registering {

using time_point = caf::actor_clock::time_point;

/// The upstream's answer to one exchange comes from an I/O thread: (call, how, what).
using registrar_impl =
  registrar_actor::extend<phase_note, caf::result<void>(call_id, outcome, method_answer)>;

/// A registered bot, as this node serves it.
struct served {
  tenant_id tenant = 1;
  bot_phase phase = bot_phase::pending; ///< As stored.
  token_digest token;                   ///< Its directory entry.
  std::uint32_t rps = 0;
  std::uint32_t concurrent = 0;
  std::uint32_t quarantines = 0;
  std::size_t settings = 0; ///< Hash of those that are in the delivery book.
  std::uint64_t notes = 0;  ///< Counts what was heard of it, and what was ordered.
  caf::disposable rest;     ///< The end of a quarantine that began before this start.
};

/// A bot in such a phase does not even take the node's own calls, though its token is good.
constexpr bool is_asleep(bot_phase x) noexcept {
  return x == bot_phase::suspended || x == bot_phase::quarantined;
}

/// A Bot API request of the registrar's own.
struct api_call {
  call what;
  bot_id bot_number = 0; ///< 0: who it is, is still being asked.
  token_digest token;    ///< Leads to the bot.
  bot_actor bot;
  net::api_request request;
  time_point deadline;
  std::optional<attempt_failed> failed; ///< The attempt before.
  lease held;
  method_answer last;                 ///< Of the attempt before, if it had any.
  bool sent = false;                  ///< It may have been carried out.
  bool no_place = false;              ///< When its bot was needed last, there was none in memory.
  std::chrono::milliseconds limit{0}; ///< Of one exchange; 0: as configured.
  /// The answer, or why there is none.
  std::function<void(caf::expected<method_answer>)> then;

  /// Whether a request is out on its session.
  [[nodiscard]] bool exchanges() const noexcept {
    return held.id != 0 && (!failed || failed->session.id != held.id);
  }
};

/// What is special about tenants.
struct known_tenants {
  std::map<tenant_id, std::uint32_t> rates; ///< Of those that have one of their own.
  std::set<tenant_id> asleep;               ///< Those that are suspended.
};

/// What getMe says.
struct bot_face {
  bot_id id = 0;
  std::string username;
  std::string name;
};

/// One operation on a bot, from its turn to its answer.
template <class T>
struct operation {
  bot_id bot = 0;
  caf::typed_response_promise<T> promise;
};

[[nodiscard]] virtual_tokens::entry entry_of(const virtual_token_row& x);
[[nodiscard]] start_bot start_of(bot_id bot, const served& x);

struct registrar_state {
  static inline const char* name = "troupe.registrar";

  registrar_state(registrar_impl::pointer self, registrar_config config, registrar_ports ports)
    : self(self), cfg(std::move(config)), ports(std::move(ports)) {}
  ~registrar_state();
  registrar_state(const registrar_state&) = delete;
  registrar_state& operator=(const registrar_state&) = delete;
  registrar_impl::behavior_type make_behavior();

  // -- turns, registrar.cpp: operations on one bot run one after the other

  /// Runs `begin` when it is the bot's turn, for the request `x`.
  template <class T, class Request>
  caf::result<T> in_turn(bot_id bot, const Request& x, std::function<void(operation<T>)> begin) {
    if (!restored || busy >= cfg.max_busy)
      return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
    operation<T> op{bot, self->make_response_promise<T>()};
    auto promise = op.promise;
    take_turn(bot, [this, x, op = std::move(op), begin = std::move(begin)] {
      if (keeps(op.bot))
        return begin(op);
      auto late = op.promise; // Its shard went while it waited: whoever has it next deals with it.
      late.delegate(registrar_actor{self}, x);
      end_turn(op.bot);
    });
    return promise;
  }
  void take_turn(bot_id bot, std::function<void()> begin);
  void end_turn(bot_id bot);

  template <class T>
  void finish(operation<T>& op, caf::expected<T> what) {
    if (what)
      op.promise.deliver(std::move(*what));
    else
      op.promise.deliver(readable(std::move(what.error())));
    end_turn(op.bot);
  }
  /// An error of the actor system means that the store died with the request.
  static caf::error readable(caf::error why);

  /// Asks the store.
  template <class T, class Request>
  void ask_store(Request what, std::function<void(caf::expected<T>)> then) {
    auto store = ports.store();
    if (!store)
      return then(caf::make_error(store_refusal::unavailable));
    self->request(store, caf::infinite, std::move(what))
      .then([then](T& x) { then(std::move(x)); },
            [then](caf::error& why) { then(readable(std::move(why))); });
  }

  // -- shards.cpp: in a cluster

  /// Whether operations on the bot are carried out here; in a node by itself all are.
  bool keeps(bot_id bot) const;
  bool is_awaited(bot_id bot) const;
  /// What is being read; empty in a node by itself: all.
  std::vector<std::uint16_t> loading_shards() const;
  /// Whether another node passed on what is being dealt with.
  bool is_from_peer() const;
  static caf::error not_now();
  /// What `not_now` became, perhaps on its way here: nothing was begun.
  static bool is_not_now(const caf::error& why);
  /// What a request that looks for the owner of its bot is.
  template <class T, class Request>
  struct sought {
    bot_id bot = 0;
    Request what;
    caf::typed_response_promise<T> promise;
    caf::actor_clock::time_point until; ///< Nobody has it by then: refused.
    bool from_peer = false;
  };
  /// Carries out what is asked about a bot here, or has its owner do so. While its shard is on its
  /// way the request waits; on the node that it was passed on to only if it comes there.
  template <class T, class Request>
  caf::result<T> at_owner(bot_id bot, const Request& x,
                          caf::result<T> (registrar_state::*here)(const Request&)) {
    if (keeps(bot))
      return (this->*here)(x);
    auto from_peer = is_from_peer();
    if (busy >= cfg.max_busy || (from_peer && !mine->places[shard_of(bot)].wanted))
      return not_now();
    auto promise = self->make_response_promise<T>();
    ++busy;
    seek<T, Request>({bot, x, promise, seeks_until(x), from_peer});
    return promise;
  }
  template <class Request>
  caf::actor_clock::time_point seeks_until(const Request& x) const {
    auto patience = cfg.move_patience;
    if constexpr (requires { x.patience; })
      patience = x.patience > caf::timespan{0} ? std::min(patience, x.patience) : patience;
    return now() + patience;
  }
  template <class T, class Request>
  void seek(sought<T, Request> x) {
    auto here = keeps(x.bot);
    auto comes = mine->places[shard_of(x.bot)].wanted;
    auto desk = here || comes || x.from_peer ? caf::actor{} : ports.found->cluster->desk_of(x.bot);
    if (desk)
      return pass_on(desk, std::move(x));
    if (!here && now() < x.until && (comes || !x.from_peer))
      return park([this, x] { seek(x); });
    --busy;
    if (here)
      x.promise.delegate(registrar_actor{self}, x.what);
    else
      x.promise.deliver(not_now());
  }
  template <class T, class Request>
  void pass_on(const caf::actor& desk, sought<T, Request> x) {
    auto what = caf::make_message(x.what);
    auto number = mine->await_owner(desk->address(), [this, x](caf::error why) mutable {
      auto error = passed_on<T>(std::move(why));
      if (is_not_now(error) && now() < x.until) {
        ++busy;
        return park([this, x] { seek(x); });
      }
      x.promise.deliver(std::move(error));
    });
    self->request(desk, cfg.peer_patience, peer_request{peer_part::registrar, std::move(what)})
      .then(
        [this, promise = x.promise, number](T& said) mutable {
          if (!mine->passed.erase(number))
            return;
          --busy;
          promise.deliver(std::move(said));
        },
        [this, number](caf::error& why) { fail_passed(number, std::move(why)); });
    if (mine->watched.insert(desk->address()).second)
      self->monitor(desk);
  }
  /// Runs it in a moment, with all others that are parked by then.
  void park(std::function<void()> again);
  void fail_passed(std::uint64_t number, caf::error why);
  /// What the owner's error means to whoever asked here.
  template <class T>
  static caf::error passed_on(caf::error why) {
    if (std::is_same_v<T, method_answer> || why.category() != caf::type_id_v<ec>)
      return std::is_same_v<T, method_answer> ? why : readable(std::move(why));
    return not_now(); // The desk itself refused: nothing was done.
  }
  caf::result<done> gain(const shards_gained& x);
  caf::result<done> lose(const shards_lost& x);
  void hasten(std::uint16_t shard, leaving_batch& into);
  std::vector<bot_id> bots_in(const std::vector<std::uint16_t>& shards) const;
  void stop_receiving(const std::shared_ptr<leaving_batch>& batch);
  std::bitset<shard_count> busy_shards() const;
  /// Does what can be done by now about shards that come and go; whenever something ended.
  void settle_shards();
  void answer_shards();
  void drain_bots(const std::shared_ptr<leaving_batch>& batch);
  void ask_working(const std::shared_ptr<leaving_batch>& batch);
  std::uint32_t own_polls(bot_id bot) const;
  void stop_bots(leaving_batch& batch);
  void on_down(const caf::down_msg& x);
  void read_shards();
  void end_reading();
  void reread_rates();
  live_list live(const live_query& x) const;

  // -- restore.cpp

  void load_bots(bot_id after);
  void load_virtual_tokens(std::int64_t after);
  void end_loading();
  /// Makes directory and supervisors know a stored bot, as the row says.
  void serve(const bot_row& row, const std::string& token);
  /// The same for a bot that is served already, after a change of its row.
  void apply(const bot_row& row);
  void forget(bot_id bot);
  /// Nothing of the bot is here any more; what is stored stays.
  void let_go(bot_id bot, bool moves);
  /// Tells how the bot's updates are received and delivered.
  void tell_updates(const bot_row& row);
  void tell_intake(bot_id bot, const served& x) const;
  served_list served_bots() const;
  void forget_others();
  /// @param to passive: if there is room for it, else when somebody needs it
  void run(bot_id bot, const served& x, bot_phase to = bot_phase::active);
  void tell_limits(bot_id bot);
  void rest_until(bot_id bot, wall_ms until);
  void hear(bot_id bot, bot_phase phase, caf::timespan rest, const std::string& reason,
            std::uint32_t quarantines);
  void store_note(bot_id bot, std::uint64_t note, bot_phase phase, caf::timespan rest,
                  const std::string& reason, std::uint32_t quarantines);

  // -- tenants.cpp

  caf::result<tenant_row> put_tenant(const tenant_put& x);
  caf::result<done> remove_tenant(const tenant_remove& x);
  /// Reads the rates of all tenants, tells the governor, then `then`.
  void load_rates(std::function<void()> then);
  void load_rates(tenant_id after, known_tenants found, std::uint64_t changes,
                  std::function<void()> then);
  /// The other nodes read the tenant anew; then `then`, also when some of them say nothing.
  void tell_others(tenant_id tenant, std::function<void()> then);
  caf::result<done> hear_of(const tenant_changed& x);
  /// The other nodes' gateways ask anew for the bot; then `then`, also when some of them say
  /// nothing.
  void tell_changed(bot_id bot, std::function<void()> then);
  void set_rate(tenant_id tenant, std::uint32_t rps);
  /// A suspended tenant's bots take no calls, as if each of them were suspended; what is stored of
  /// them stays as it is, and is what they go on with.
  void set_asleep(tenant_id tenant, bool asleep);
  void set_asleep(std::set<tenant_id> tenants);
  void wake_up(bot_id bot, const served& x);
  void put_to_sleep(bot_id bot, const served& x) const;
  /// Then `then`: whoever calls the bot, or one of the tenant's, finds it as it was told to be.
  void when_told(bot_id bot, std::function<void()> then);
  void when_awake(tenant_id tenant, std::function<void()> then);
  /// The phase the bot is served in.
  bot_phase phase_of(const served& x) const;
  /// Until the governor knows them as they are by then; then `then`.
  void tell_rates(std::function<void()> then);

  /// Has Telegram's side of a bot's updates put back before it is removed; then `then`, in any
  /// case.
  void release(bot_id bot, std::function<void()> then);
  void wake(bot_id bot, served x, std::function<void()> then);
  void sleep_again(bot_id bot, std::function<void()> then);
  /// For those who watch the bot: an order put it into this phase.
  void tell_phase(const bot_row& row, std::string_view order) const;

  // -- operations.cpp

  caf::result<bot_row> enrol(const bot_register& x);
  caf::result<bot_row> order(const bot_order& x);
  caf::result<bot_row> rotate(const bot_rotate& x);
  caf::result<bot_row> change(const bot_change& x);
  caf::result<bot_row> remove(const bot_remove& x);
  caf::result<made_virtual_token> make_token(const virtual_token_make& x);
  caf::result<done> revoke_token(const virtual_token_revoke& x);
  caf::result<code_verdict> verify(const verification_try& x);

  /// The bot's row, if it is the tenant's.
  void find_row(tenant_id tenant, bot_id bot, std::function<void(caf::expected<bot_row>)> then);
  void carry_out(operation<bot_row> op, const bot_order& x, const bot_row& row, int tries);
  /// A refusal that the store does not hear of is entered in the trail all the same.
  caf::error refuse(const author& by, tenant_id tenant, bot_id bot, std::string action,
                    store_refusal why);
  /// Enters what the store does not hear of in the trail.
  void enter(const author& by, tenant_id tenant, bot_id bot, std::string action,
             std::string outcome);

  // -- calls.cpp

  /// Asks the Bot API who a token's bot is, within the tenant's budget: by a bot that only the
  /// registrar finds, and that is gone when `then` runs. One at a time per bot.
  void probe(const std::string& token, bot_id claimed, tenant_id tenant, caf::timespan patience,
             std::function<void(caf::expected<bot_face>)> then);
  void end_probe(bot_id claimed);
  /// Tells the governor, until it knows, that two ids are one bot; then `then`.
  void merge_budgets(bot_id from, bot_id to, std::function<void()> then);
  caf::result<method_answer> call_method(const method_call& x);
  void begin_call(api_call what, std::uint16_t method, caf::timespan patience);
  /// Makes a call a long poll.
  bool receives_updates(bot_id bot) const;
  void make_poll(api_call& x) const;
  void try_call(call_id id);
  void activate(call_id id, bot_id home);
  void on_grant(call_id id, const grant& granted);
  void on_refusal(call_id id, caf::error why);
  void on_exchange(call_id id, const outcome& how, method_answer& what);
  void end_call(call_id id, caf::expected<method_answer> what);
  void tell_end(const api_call& x, const outcome& how) const;

  registrar_report report() const { return {bots.size(), ports.virtuals->size(), restored, busy}; }
  time_point now() const { return self->clock().now(); }
  [[nodiscard]] wall_ms wall() const; ///< Of those who deal with updates, too.

  registrar_impl::pointer self;
  registrar_config cfg;
  registrar_ports ports;
  bool restored = false;
  std::uint32_t busy = 0;
  std::unordered_map<bot_id, served> bots;
  known_tenants tenants;
  std::uint64_t tenant_changes = 0;
  std::unique_ptr<shard_book> mine; ///< Null in a node by itself: it has all bots.
  /// Who waits for a turn; the bot whose turn it is has an entry, too.
  std::unordered_map<bot_id, std::deque<std::function<void()>>> turns;
  std::deque<std::function<void()>> ready; ///< Turns that begin now, one after the other.
  /// Bots that ask who they are, by the number they claim: the id each has, the directory's key.
  std::map<bot_id, std::pair<bot_id, std::uint64_t>> probes;
  std::map<call_id, api_call> calls; ///< In order: a simulation repeats itself.
  call_id next_call = 0;
};

} // namespace troupe::registering

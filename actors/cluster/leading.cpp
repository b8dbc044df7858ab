#include "actors/cluster/state.hpp"
#include "messages/store.hpp"
#include "runtime/log/log.hpp"
#include "runtime/policy/mutation.hpp"

#include <algorithm>

/// One node is elected: it assigns shards and divides the global budget.
namespace troupe::clustering {
namespace {

constexpr std::chrono::milliseconds write_limit{2'000};
constexpr std::chrono::milliseconds slice_patience{400}; ///< A little less than the governor's.

/// The owner of a key that is as it was when we looked.
etcd::compare still(std::string key, std::int64_t created) {
  return {.key = std::move(key), .of = etcd::compare::part::created, .number = created};
}

} // namespace

bool cluster_state::leads() const {
  return seen.leader.node == cfg.node && seen.leader.lease == lease && member();
}

void cluster_state::campaign() {
  if (!seen.leader.node.empty() || campaigning || going)
    return;
  campaigning = true;
  etcd::txn what;
  what.when.push_back(still(keys.leader(), 0));
  what.when.push_back(still(keys.node(cfg.node), seen.nodes.at(cfg.node).joined));
  what.then.emplace_back(etcd::put{keys.leader(), cfg.node, lease});
  ask(std::move(what), write_limit, [this](const etcd::result& said) {
    campaigning = false;
    // Whoever was elected: the watch tells. Who could not be heard asks again.
    if (said.what != etcd::status::done)
      later(cfg.retry, [this] { reconcile(); });
  });
}

void cluster_state::lead() {
  if (!leads())
    return book.deposed();
  if (!book.leads() || book_epoch != seen.leader.fence) {
    book_epoch = seen.leader.fence;
    // Whoever led before stopped a margin before its lease was over, or given back (end_lease).
    book.elected(static_cast<std::uint64_t>(book_epoch), now(),
                 TROUPE_MUTATION("leader-impatient") ? std::chrono::hours{1} : cfg.margin);
    log::event(log::level::info, "leader.elected", name, {{"epoch", book_epoch}});
  }
  if (planning)
    return;
  auto next = seen.next_plan(cfg.max_moves);
  if (!next)
    return;
  planning = true;
  etcd::txn what;
  what.when.push_back(still(keys.leader(), seen.leader.fence));
  what.then.emplace_back(etcd::put{keys.plan(), to_text(*next)});
  ask(std::move(what), write_limit, [this](const etcd::result& said) {
    planning = false;
    if (said.what != etcd::status::done)
      later(cfg.retry, [this] { reconcile(); });
  });
}

/// Of this node's governor, or of another node's: only the leader knows.
template <class Given, class Ask>
caf::result<Given> cluster_state::give(const Ask& x) {
  bool foreign = self->current_sender() && self->current_sender()->node() != self->node();
  if (leads()) {
    auto given = book.answer(x, now());
    if (!given)
      return caf::make_error(ec::draining);
    if (!foreign)
      note(*given);
    return std::move(*given);
  }
  if (foreign || !member() || seen.leader.node.empty())
    return caf::make_error(ec::draining);
  auto leader = desk_of(seen.leader.node);
  if (!leader)
    return write_letter(x);
  auto what = peer_request{peer_part::cluster, caf::make_message(x)};
  if (mute == leader) { // The connection may be dead, and nobody has noticed yet.
    self->request(leader, slice_patience, std::move(what))
      .then([this](const Given&) { mute = nullptr; }, [](const caf::error&) {});
    return write_letter(x);
  }
  auto promise = self->make_response_promise<Given>();
  self->request(leader, slice_patience, std::move(what))
    .then(
      [this, promise](const Given& given) mutable {
        note(given);
        promise.deliver(given);
      },
      [this, promise, leader](caf::error& why) mutable {
        if (why == caf::sec::request_timeout)
          mute = leader;
        promise.deliver(std::move(why));
      });
  return promise;
}

caf::result<slice_given> cluster_state::give_slice(const slice_ask& x) {
  return give<slice_given>(x);
}

caf::result<slices_given> cluster_state::give_slices(const slices_ask& x) {
  return give<slices_given>(x);
}

/// By way of etcd goes the question for the global budget alone.
caf::result<slices_given> cluster_state::write_letter(const slices_ask& x) {
  auto global = std::ranges::find(x.parts, 0u, &slice_part::tenant);
  if (global == x.parts.end())
    return caf::make_error(ec::draining);
  auto promise = self->make_response_promise<slices_given>();
  auto me = caf::actor_cast<cluster_actor>(caf::strong_actor_ptr{self->ctrl()});
  self->request(me, slice_patience, global->what)
    .then(
      [promise](const slice_given& given) mutable {
        promise.deliver(slices_given{{slice_part_given{0, given}}});
      },
      [promise](caf::error& why) mutable { promise.deliver(std::move(why)); });
  return promise;
}

void cluster_state::note(const slices_given& x) {
  for (const auto& part : x.parts)
    if (part.tenant == 0)
      note(part.what);
}

// -- nodes that give their shards away ------------------------------------------------------------

caf::result<done> cluster_state::drain(const cluster_drain& x) {
  if (!member())
    return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
  if (!seen.nodes.contains(x.node) && !seen.draining.contains(x.node))
    return caf::make_error(store_refusal::not_found);
  auto promise = self->make_response_promise<done>();
  etcd::request what = etcd::put{keys.drain(x.node), "1", 0};
  if (!x.draining)
    what = etcd::erase{.key = keys.drain(x.node)};
  log::event(log::level::info, x.draining ? "node.draining" : "node.serving", name,
             {{"peer", x.node}});
  ask_always(std::move(what), write_limit, [promise](const etcd::result& said) mutable {
    using enum etcd::status;
    if (said.what == done)
      return promise.deliver(troupe::done{});
    promise.deliver(said.what == unknown ? caf::make_error(store_refusal::outcome_unknown)
                                         : caf::make_error(store_refusal::unavailable,
                                                           refusal{std::chrono::seconds{1}}));
  });
  return promise;
}

/// The node's key says what it is to say. Whatever is lost on the way to etcd, the next look tries
/// again.
void cluster_state::keep_record(const node_record& registered) {
  if (registered.certificate == cfg.certificate)
    for (auto& one : std::exchange(renewers, {}))
      one.deliver(done{});
  bool same = registered.certificate == cfg.certificate && registered.leaving == going;
  if (same || std::exchange(recording, true))
    return;
  node_record record{cfg.version, cfg.address, cfg.certificate, cfg.capacity, going};
  etcd::txn what;
  what.when.push_back(still(keys.node(cfg.node), seen.nodes.at(cfg.node).joined));
  what.then.emplace_back(etcd::put{keys.node(cfg.node), to_text(record), lease});
  ask(std::move(what), write_limit, [this](const etcd::result& said) {
    recording = false;
    if (said.what != etcd::status::done) // What was written, the watch tells.
      later(cfg.retry, [this] { reconcile(); });
  });
}

caf::result<done> cluster_state::leave() {
  auto promise = self->make_response_promise<done>();
  leavers.push_back(promise);
  going = true;
  reconcile();
  check_left();
  return promise;
}

/// Joining registers it, too.
caf::result<done> cluster_state::renew(const cluster_renew& x) {
  cfg.certificate = x.certificate;
  if (!member())
    return done{};
  auto promise = self->make_response_promise<done>();
  renewers.push_back(promise);
  reconcile();
  return promise;
}

void cluster_state::check_left() {
  if (leavers.empty())
    return;
  bool others = std::ranges::any_of(seen.nodes, [this](const auto& x) {
    return x.first != cfg.node && x.second.what.capacity > 0 && !seen.is_draining(x.first);
  });
  bool empty = std::ranges::all_of(held, [](holding x) { return x == holding::none; });
  if (member() && others && !empty)
    return;
  for (auto& one : std::exchange(leavers, {}))
    one.deliver(done{});
}

} // namespace troupe::clustering

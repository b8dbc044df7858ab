#include "actors/session_pool/session_pool.hpp"
#include "actors/session_pool/state.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

caf::error refused() {
  return caf::make_error(ec::no_session, refusal{});
}

std::uint32_t places(const pool_limits& limits) noexcept {
  return std::max(std::min(limits.max_connections, limits.max_per_host), 1u);
}

} // namespace

std::uint32_t file_places(const pool_limits& limits) noexcept {
  return std::clamp(limits.max_downloads, 1u, std::max(places(limits) - 1, 1u));
}

std::uint32_t request_places(const pool_limits& limits) noexcept {
  auto kept = std::min(file_places(limits), std::max(places(limits) / 8, 1u));
  return std::max(places(limits) - kept, 1u);
}

// One bot leaves the others something, unless there is but one place for files.
std::uint32_t session_pool_state::file_share(const pool_limits& limits) {
  return std::clamp((file_places(limits) + 1) / 2, 1u, std::max(limits.max_per_bot, 1u));
}

session_limits session_pool_state::limits_of(const session_pool_config& config) {
  return {.calls = places(config),
          .requests = request_places(config),
          .files = file_places(config),
          .polls = config.max_polls,
          .lanes = config.lanes,
          .idle_timeout = config.idle_timeout,
          .max_age = config.max_age};
}

session_pool_state::session_pool_state(session_pool_actor::pointer self, session_pool_config config,
                                       session_pool_ports ports)
  : self(self), config(config), ports(std::move(ports)), epoch(next_epoch()), credits(epoch),
    table(limits_of(config), epoch, this->ports.sessions),
    polls{place_line{std::max(config.max_per_bot, 1u)}, {}}, files{place_line{file_share(config)},
                                                                   {}} {}

session_pool_actor::behavior_type session_pool_state::make_behavior() {
  self->set_down_handler([this](const caf::down_msg& down) { on_down(down); });
  ports.sessions->close_all(epoch);
  on_tick();
  return {
    [this](const lease_request& what) { return on_request(what); },
    [this](lease_return back) { on_return(back); },
    [this](lease_cancel what) { on_cancel(what); },
    [this](credit_request) { return announce_to(self->current_sender()); },
    [this](const pool_limits& limits) { on_limits(limits); },
    [this](get_report what) { return report(what); },
  };
}

// -- requests ---------------------------------------------------------------

caf::result<lease> session_pool_state::on_request(const lease_request& what) {
  const caf::strong_actor_ptr sender = self->current_sender();
  if (!sender)
    return refused();
  if (what.kind == call_kind::request)
    return on_credit(what, sender);
  auto& line = waiting_for(what.kind).line;
  bool others_first = what.kind == call_kind::file && table.single() && !line.queue.empty();
  if (!others_first && table.has_place(what.kind) && line.may_take(what.bot)) {
    line.take(what.bot);
    return grant(what, meet(sender), now());
  }
  if (what.patience.count() <= 0 || line.queue.size() >= config.max_waiting)
    return refused();
  return wait(what, sender);
}

caf::result<lease> session_pool_state::on_credit(const lease_request& what,
                                                 const caf::strong_actor_ptr& sender) {
  if (!credits.knows(what.credit_epoch)) {
    look_for_governor();
    return refused();
  }
  if (!credits.spend(what.credit_epoch, table.has_place(call_kind::request))) {
    if (what.credit_epoch == credits.epoch())
      tell_governor(what.bot, false);
    return refused();
  }
  return grant(what, meet(sender), now());
}

lease session_pool_state::grant(const lease_request& what, std::uint64_t who, time_point at) {
  auto& holder = *lessees.find(who);
  ++holder.leases;
  holder.seen = at;
  auto room = table.room_for_requests();
  const auto& x = table[table.take(what.kind, what.lane, what.bot, who, at)];
  if (what.kind == call_kind::file)
    settle_credits(room, table.room_for_requests());
  return {.id = x.lease,
          .session = x.id,
          .lane = x.lane,
          .epoch = epoch,
          .permitted_at = what.permitted_at};
}

// -- waiters ----------------------------------------------------------------

caf::result<lease> session_pool_state::wait(const lease_request& what,
                                            const caf::strong_actor_ptr& sender) {
  auto& [line, by_slot] = waiting_for(what.kind);
  auto who = meet(sender);
  ++lessees.find(who)->waiting;
  // Patience is the caller's word; no clock can count further than a day here.
  auto patience = std::min<caf::timespan>(what.patience, std::chrono::hours{24});
  auto slot = line.queue.push({.bot = what.bot,
                               .tenant = what.tenant,
                               .call = what.id,
                               .lane = {},
                               .deadline = now() + patience});
  if (slot >= by_slot.size())
    by_slot.resize(std::size_t{slot} + 1);
  by_slot[slot] = waiter{what, who, self->make_response_promise<lease>()};
  set_alarm();
  return by_slot[slot].promise;
}

// A waiter that is out of the line; what is left is to answer it.
session_pool_state::waiter session_pool_state::leave(waiting& from, fair_queue::slot slot) {
  auto gone = std::exchange(from.by_slot[slot], waiter{});
  --lessees.find(gone.lessee)->waiting;
  return gone;
}

session_pool_state::waiter session_pool_state::take_out(waiting& from, fair_queue::slot slot) {
  from.line.queue.remove(slot);
  return leave(from, slot);
}

void session_pool_state::serve(call_kind kind) {
  auto& from = waiting_for(kind);
  while (table.has_place(kind)) {
    auto slot = from.line.pop(now());
    if (slot == place_line::none)
      return;
    auto next = leave(from, slot);
    auto given = grant(next.what, next.lessee, now());
    next.promise.deliver(given);
  }
}

void session_pool_state::on_cancel(const lease_cancel& what) {
  auto who = key_of(self->current_sender().get());
  for (auto* from : {&polls, &files}) {
    auto slot = from->line.queue.find(what.bot, what.id);
    if (slot != place_line::none && from->by_slot[slot].lessee == who)
      take_out(*from, slot).promise.deliver(caf::make_error(ec::cancelled));
  }
}

// One timer for all deadlines. It may fire early, when the waiter it was set for is gone.
void session_pool_state::set_alarm() {
  auto due = std::min(polls.line.queue.next_deadline(), files.line.queue.next_deadline());
  if (due >= alarm_at)
    return;
  alarm.dispose();
  alarm_at = due;
  alarm = self->run_delayed(due - now(), [this] { on_alarm(); });
}

void session_pool_state::on_alarm() {
  alarm_at = time_point::max();
  auto at = now();
  for (auto* from : {&polls, &files})
    for (auto slot = from->line.queue.expired(at); slot != place_line::none;
         slot = from->line.queue.expired(at))
      take_out(*from, slot).promise.deliver(refused());
  set_alarm();
}

session_pool_actor spawn_session_pool(caf::actor_system& sys, session_pool_config config,
                                      session_pool_ports ports) {
  using impl = session_pool_actor::stateful_impl<session_pool_state>;
  return sys.spawn<impl>(config, std::move(ports));
}

} // namespace troupe

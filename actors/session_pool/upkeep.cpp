#include "actors/session_pool/state.hpp"
#include "actors/supervisor/end_reason.hpp"
#include "runtime/log/log.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace troupe {
namespace {

constexpr caf::timespan tick = std::chrono::seconds{1};

// A lessee that holds nothing stays monitored for so long: most bots come back soon. Beyond so
// many, the quietest go at once.
constexpr duration monitor_for = std::chrono::seconds{60};
constexpr std::size_t max_quiet_lessees = 8192;

} // namespace

std::uint32_t session_pool_state::next_epoch() noexcept {
  static std::atomic<std::uint32_t> last{0};
  for (;;)
    if (auto epoch = last.fetch_add(1, std::memory_order_relaxed) + 1; epoch != 0)
      return epoch;
}

// Without a sender, so that nothing can come back; on this thread if the governor is idle.
template <class T>
void session_pool_state::tell(const rate_governor_actor& governor, T what) {
  if (governor) // The cast of an empty handle is not null.
    caf::actor_cast<caf::abstract_actor*>(governor)->enqueue(
      caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, what), self->context());
}

// -- leases that end --------------------------------------------------------

void session_pool_state::on_return(const lease_return& back) {
  if (auto i = table.find(back.lease); i != no_index)
    end_lease(i, back.reusable);
}

void session_pool_state::end_lease(std::uint32_t index, bool reusable) {
  auto ended = table[index];
  auto at = now();
  auto room = table.room_for_requests();
  table.give_back(index, reusable, at);
  auto& holder = *lessees.find(ended.lessee);
  --holder.leases;
  holder.seen = at;
  if (ended.kind == call_kind::request) {
    if (!files.line.queue.empty())
      serve(call_kind::file); // Its turn; the credit waits for its end.
    tell_governor(ended.bot, credits.settle());
    return;
  }
  auto room_now = table.room_for_requests();
  waiting_for(ended.kind).line.put_back(ended.bot);
  if (ended.kind == call_kind::long_poll || !table.single()) // A request's turn, a tick long.
    serve(ended.kind);
  if (ended.kind == call_kind::file) // Now that the next file has taken the place, or none has.
    settle_credits(room, room_now);
}

// What a bot had on credit is over; its place is free for another request, or not.
void session_pool_state::tell_governor(bot_id bot, bool free) {
  tell(caf::actor_cast<rate_governor_actor>(told), credit{credits.epoch(), bot, !free});
}

// -- lessees ----------------------------------------------------------------

// The lessee's key; from now on its end is noticed.
std::uint64_t session_pool_state::meet(const caf::strong_actor_ptr& sender) {
  auto key = key_of(sender.get());
  auto& known = lessees.touch(key);
  if (!known.who) {
    known.who = caf::actor_cast<caf::actor_addr>(sender);
    self->monitor(sender);
    if (lessees.size() > max_quiet_lessees)
      forget_quiet(2, duration{0});
  }
  return key;
}

// Looks at the `n` lessees not seen for the longest time and forgets those that hold nothing.
void session_pool_state::forget_quiet(std::size_t n, duration quiet_for) {
  for (auto at = now(); n > 0 && !lessees.empty(); --n) {
    auto& oldest = lessees.oldest();
    bool quiet = oldest.leases == 0 && oldest.waiting == 0;
    if (quiet && at - oldest.seen < quiet_for)
      return;
    if (!quiet) {
      lessees.touch(lessees.oldest_key());
      continue;
    }
    self->demonitor(oldest.who);
    lessees.erase_oldest();
  }
}

void session_pool_state::on_down(const caf::down_msg& down) {
  auto key = key_of(caf::actor_cast<caf::actor_control_block*>(down.source));
  auto* gone = lessees.find(key);
  if (gone == nullptr)
    return;
  // First the waiters, so that none of them is served by the places that follow.
  for (auto* from : {&polls, &files})
    for (std::uint32_t i = 0; gone->waiting > 0 && i < from->by_slot.size(); ++i)
      if (from->by_slot[i].lessee == key)
        take_out(*from, i);
  for (std::uint32_t i = 0; gone->leases > 0 && i < table.all().size(); ++i)
    if (table[i].lease != 0 && table[i].lessee == key)
      reclaim(i, down.reason);
  lessees.erase(key);
}

void session_pool_state::reclaim(std::uint32_t index, const caf::error& reason) {
  ++reclaimed;
  auto why = readable(reason);
  auto kind = to_string(table[index].kind);
  log::event(log::level::warning, "lease.reclaimed", name,
             {{"bot", std::int64_t{table[index].bot}},
              {"reason", std::string_view{why}},
              {"kind", std::string_view{kind}}},
             "the pool reclaimed the lease of a dead bot");
  end_lease(index, false);
}

// -- the governor -----------------------------------------------------------

// A governor that has not been told yet what there is, is told now. One that asked by itself may
// not be published yet: an older handle in the slot is a dead governor's.
void session_pool_state::look_for_governor() {
  auto governor = ports.governor ? ports.governor() : rate_governor_actor{};
  if (governor && (!told || governor->id() > told.id()))
    tell(governor, announce_to(caf::actor_cast<caf::strong_actor_ptr>(governor)));
}

pool_capacity session_pool_state::announce_to(const caf::strong_actor_ptr& governor) {
  auto room = table.room_for_requests();
  auto leased = table.leased(call_kind::request);
  auto epoch = std::exchange(announced, true) ? next_epoch() : credits.epoch();
  credits.announce(epoch, leased - std::min(leased, room));
  told = caf::actor_cast<caf::actor_addr>(governor);
  return {.epoch = epoch,
          .sessions = room - std::min(leased, room),
          .per_bot = config.max_per_bot,
          .places = table.limit(call_kind::request),
          .leases = table.requests_by_bot()};
}

// -- limits -----------------------------------------------------------------

void session_pool_state::on_limits(const pool_limits& limits) {
  auto room = table.room_for_requests();
  static_cast<pool_limits&>(config) = limits;
  table.change(limits_of(config), now());
  polls.line.share(std::max(config.max_per_bot, 1u));
  files.line.share(file_share(config));
  auto added = credits.change(room, table.room_for_requests());
  tell(
    caf::actor_cast<rate_governor_actor>(told),
    capacity_change{credits.epoch(), added, config.max_per_bot, table.limit(call_kind::request)});
  serve(call_kind::long_poll);
  serve(call_kind::file);
}

// A file took or left a place that requests may have, too.
void session_pool_state::settle_credits(std::uint32_t room_before, std::uint32_t room_now) {
  for (auto n = credits.change(room_before, room_now); n > 0; --n)
    tell_governor(0, true);
}

// -- the rest ---------------------------------------------------------------

void session_pool_state::on_tick() {
  table.expire(now());
  if (table.single())
    serve(call_kind::file); // No request wanted the place.
  forget_quiet(256, monitor_for);
  look_for_governor();
  self->run_delayed(tick, [this] { on_tick(); });
}

pool_report session_pool_state::report(const get_report& what) {
  pool_report result;
  result.epoch = epoch;
  result.max_connections = config.max_connections;
  result.max_per_host = config.max_per_host;
  result.max_polls = config.max_polls;
  result.max_downloads = file_places(config);
  result.leased = table.leased(call_kind::request) + table.leased(call_kind::file);
  result.idle = table.idle();
  result.polls = table.leased(call_kind::long_poll);
  result.downloads = table.leased(call_kind::file);
  result.waiting = static_cast<std::uint32_t>(polls.line.queue.size() + files.line.queue.size());
  result.leases_total = table.leases();
  result.reclaimed_total = reclaimed;
  result.opened_total = table.opened();
  result.closed_total = table.closed();
  auto at = now();
  for (const auto& x : table.all()) {
    if (result.sessions.size() >= what.limit)
      break;
    if (x.id == 0)
      continue;
    auto idle = x.lease == 0 ? at - x.used : duration{0};
    result.sessions.push_back({x.id, x.lane, x.kind, x.bot, x.leases, at - x.opened, idle});
  }
  return result;
}

} // namespace troupe

#include "actors/delivery/delivery.hpp"

#include "actors/delivery/state.hpp"
#include "messages/errors.hpp"
#include "runtime/updates/settings.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

namespace troupe::delivery {
namespace {

using namespace std::chrono_literals;

/// A tenant has at most so many times the places that are free: alone three quarters of all (a
/// dynamic threshold, as switches share their buffers: Choudhury and Hahne, 1998). The last eighth
/// is for tenants that have next to none: whoever's receivers hang, the others go on.
constexpr std::size_t share_of_free = 3;
bool has_share(std::size_t had, std::size_t max, std::size_t free) {
  return had >= share_of_free * free
         || (free <= max / 8 && had >= std::max<std::size_t>(max / 100, 1));
}

caf::error no_place() {
  return caf::make_error(ec::no_session, refusal{1s});
}

relay_result ended(relay_end how, std::string reason) {
  relay_result result;
  result.how = how;
  result.reason = std::move(reason);
  return result;
}

std::string host_of(const relay::url& to) {
  return to.where.host + ':' + to.where.port;
}

relay::port_limits for_port(const delivery_limits& x) {
  return {.max_open = x.max_connections,
          .idle_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(x.idle_timeout),
          .allow_private_addresses = x.allow_private_addresses};
}

} // namespace

delivery_state::delivery_state(delivery_impl::pointer self, delivery_config config,
                               delivery_ports ports)
  : self(self), config(config), ports(std::move(ports)) {}

delivery_impl::behavior_type delivery_state::make_behavior() {
  self->set_down_handler([this](const caf::down_msg& down) { on_down(down); });
  ports.connections->close_all();
  ports.connections->set(for_port(config));
  return {
    [this](const relay_request& what) { return on_request(what); },
    [this](const delivery_limits& limits) { on_limits(limits); },
    [this](const get_report&) { return report(); },
    [this](std::uint64_t id, relay_result& result) { on_end(id, std::move(result)); },
  };
}

// -- requests -------------------------------------------------------------------

caf::timespan delivery_state::limit_of(const updates::update_settings& entry) const {
  caf::timespan own = entry.delivery.relay.timeout;
  return own.count() > 0 ? std::min(own, config.timeout) : config.timeout;
}

caf::result<relay_result> delivery_state::on_request(const relay_request& what) {
  auto entry = ports.entry(what.bot);
  if (!entry || entry->delivery.mode != updates::delivery_mode::relay)
    return ended(relay_end::not_relayed, "the bot's updates are not relayed");
  auto to = relay::parse_url(entry->delivery.relay.url);
  if (auto* wrong = std::get_if<std::string>(&to)) {
    ++counts.forbidden;
    return ended(relay_end::forbidden, "the URL " + *wrong);
  }
  if (!self->current_sender() || queue.size() >= config.max_waiting)
    return no_place();
  request x;
  x.what = what;
  x.host = host_of(std::get<relay::url>(to));
  x.places = std::max(entry->delivery.relay.max_connections, 1u);
  meet(x); // Before the promise, which takes the sender with it.
  x.promise = self->make_response_promise<relay_result>();
  auto promise = x.promise;
  auto slot = queue.push({.bot = what.bot,
                          .tenant = what.tenant,
                          .call = ++last_id,
                          .lane = {},
                          .deadline = now() + limit_of(*entry)});
  if (slot >= waiting.size())
    waiting.resize(std::size_t{slot} + 1);
  waiting[slot] = std::move(x);
  serve();
  set_alarm();
  return promise;
}

fair_queue::decision delivery_state::judge(const fair_queue::waiter& x, fair_queue::slot at) {
  const auto& next = waiting[at];
  auto free = config.max_connections - running.size();
  if (auto had = shares.find(x.tenant);
      had != shares.end() && has_share(had->second, config.max_connections, free)) {
    parked.push_back(x.tenant);
    return {.what = fair_queue::action::park_tenant};
  }
  if (auto mine = busy.find(x.bot); mine != busy.end() && mine->second >= next.places)
    return {.what = fair_queue::action::park_bot};
  // Only hosts with exchanges under way are kept: the one that is asked for now may not be the one
  // that it goes to (see start), or nothing may go anywhere.
  auto host = hosts.find(next.host);
  if (host == hosts.end() || host->second.busy < config.max_per_host)
    return {};
  auto& bots = host->second.parked;
  if (std::find(bots.begin(), bots.end(), x.bot) == bots.end())
    bots.push_back(x.bot);
  return {.what = fair_queue::action::park_bot};
}

void delivery_state::serve() {
  while (running.size() < config.max_connections) {
    auto slot = queue.take_next(
      now(), [this](const fair_queue::waiter& x, fair_queue::slot at) { return judge(x, at); });
    if (!slot)
      return;
    start(std::exchange(waiting[*slot], request{}));
  }
}

/// As the book says now: what was asked for may have waited.
void delivery_state::start(request x) {
  auto entry = ports.entry(x.what.bot);
  auto relayed = entry && entry->delivery.mode == updates::delivery_mode::relay;
  auto to = relayed ? relay::parse_url(entry->delivery.relay.url)
                    : std::variant<relay::url, std::string>{std::string{}};
  auto* where = std::get_if<relay::url>(&to);
  if (where == nullptr) {
    leave(x.who);
    x.promise.deliver(ended(relay_end::not_relayed, "the bot's updates are not relayed"));
    return;
  }
  auto id = ++last_id;
  x.host = host_of(*where);
  relay::post what;
  what.id = id;
  what.to = std::move(*where);
  what.bot = x.what.bot;
  what.attempt = x.what.attempt;
  what.secret_token = entry->delivery.relay.secret_token;
  if (ports.signing_key)
    what.signing_key = ports.signing_key(x.what.bot);
  what.body = x.what.body;
  what.limit = std::chrono::duration_cast<std::chrono::milliseconds>(limit_of(*entry));
  ++busy[x.what.bot];
  ++shares[x.what.tenant];
  ++hosts[x.host].busy;
  running.emplace(id, std::move(x));
  ports.connections->perform(std::move(what),
                             [me = delivery_impl{self}, id](relay_result result) {
                               caf::anon_send(me, id, std::move(result));
                             });
}

void delivery_state::on_end(std::uint64_t id, relay_result result) {
  auto entry = running.extract(id);
  if (entry.empty())
    return;
  auto& x = entry.mapped();
  if (auto mine = busy.find(x.what.bot); --mine->second == 0)
    busy.erase(mine);
  queue.wake_bot(x.what.bot);
  if (auto had = shares.find(x.what.tenant); --had->second == 0)
    shares.erase(had);
  for (auto tenant : std::exchange(parked, {}))
    queue.wake_tenant(tenant);
  auto host = hosts.find(x.host);
  --host->second.busy;
  for (auto bot : std::exchange(host->second.parked, {}))
    queue.wake_bot(bot);
  if (host->second.busy == 0)
    hosts.erase(host);
  count(result);
  if (x.who) {
    leave(x.who);
    x.promise.deliver(std::move(result));
  }
  serve();
}

void delivery_state::count(const relay_result& result) {
  if (result.how == relay_end::forbidden)
    ++counts.forbidden;
  else if (result.how == relay_end::answered && result.status / 100 == 2)
    ++counts.relayed;
  else
    ++counts.failed;
}

// -- bots -----------------------------------------------------------------------

void delivery_state::meet(request& x) {
  const auto& sender = self->current_sender();
  x.who = sender.get();
  auto& known = askers[x.who];
  if (known.requests++ == 0) {
    known.who = caf::actor_cast<caf::actor_addr>(sender);
    self->monitor(sender);
  }
}

void delivery_state::leave(actor_key who) {
  auto known = askers.find(who);
  if (known == askers.end() || --known->second.requests != 0)
    return;
  self->demonitor(known->second.who);
  askers.erase(known);
}

void delivery_state::on_down(const caf::down_msg& down) {
  actor_key who = caf::actor_cast<caf::actor_control_block*>(down.source);
  if (askers.erase(who) == 0)
    return;
  for (fair_queue::slot at = 0; at < waiting.size(); ++at)
    if (waiting[at].who == who) {
      queue.remove(at);
      waiting[at] = request{};
    }
  for (auto& [id, x] : running)
    if (x.who == who) {
      x.who = nullptr;
      ports.connections->abandon(id);
    }
  set_alarm();
}

// -- time, limits -----------------------------------------------------------------

/// One timer for all deadlines. It may fire early, when the waiter it was set for is gone.
void delivery_state::set_alarm() {
  auto due = queue.next_deadline();
  if (due >= alarm_at)
    return;
  alarm.dispose();
  alarm_at = due;
  alarm = self->run_delayed(std::max<caf::timespan>(due - now(), 1ms), [this] { on_alarm(); });
}

void delivery_state::on_alarm() {
  alarm_at = time_point::max();
  auto at = now();
  for (auto slot = queue.expired(at); slot != fair_queue::none; slot = queue.expired(at)) {
    queue.remove(slot);
    auto x = std::exchange(waiting[slot], request{});
    leave(x.who);
    x.promise.deliver(no_place());
  }
  set_alarm();
}

void delivery_state::on_limits(const delivery_limits& limits) {
  static_cast<delivery_limits&>(config) = limits;
  ports.connections->set(for_port(limits));
  queue.wake_all();
  serve();
}

delivery_report delivery_state::report() const {
  auto result = counts;
  result.open = static_cast<std::uint32_t>(ports.connections->open());
  result.busy = static_cast<std::uint32_t>(running.size());
  result.waiting = static_cast<std::uint32_t>(queue.size());
  return result;
}

} // namespace troupe::delivery

namespace troupe {

delivery_actor spawn_delivery(caf::actor_system& sys, delivery_config config,
                              delivery_ports ports) {
  using impl = delivery::delivery_impl::stateful_impl<delivery::delivery_state>;
  return sys.spawn<impl>(config, std::move(ports));
}

} // namespace troupe

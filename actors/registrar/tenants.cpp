#include "actors/registrar/state.hpp"
#include "messages/rate_governor.hpp"
#include "messages/supervisor.hpp"

#include <caf/send.hpp>

/// Tenants are the store's; their rates are the governor's, too.
namespace troupe::registering {
namespace {

using caf::expected;

/// Before a governor that is being restarted is told again.
constexpr caf::timespan tell_pause = std::chrono::milliseconds{25};

/// A change does not wait longer for a bot that takes its time to start.
constexpr caf::timespan shard_patience = std::chrono::milliseconds{500};

/// Nor for another node's gateways.
constexpr caf::timespan word_patience = std::chrono::seconds{1};

/// Whose turn it is when a tenant is changed: no bot has such a number.
bot_id turn_of(tenant_id x) noexcept {
  return -static_cast<bot_id>(x) - 1;
}

} // namespace

caf::result<tenant_row> registrar_state::put_tenant(const tenant_put& x) {
  return in_turn<tenant_row>(turn_of(x.row.id), x, [this, x](operation<tenant_row> op) {
    ask_store<tenant_row>(x, [=, this](expected<tenant_row> stored) mutable {
      bool unknown = !stored && stored.error() == store_refusal::outcome_unknown;
      if (!stored && !unknown)
        return finish(op, std::move(stored));
      auto tenant = stored ? stored->id : x.row.id;
      if (stored) {
        set_rate(tenant, stored->rps);
        set_asleep(tenant, stored->suspended);
      }
      tell_others(tenant, [=, this]() mutable {
        auto end = [=, this]() mutable { finish(op, std::move(stored)); };
        stored ? when_awake(tenant, end) : load_rates(end);
      });
    });
  });
}

caf::result<done> registrar_state::remove_tenant(const tenant_remove& x) {
  return in_turn<done>(turn_of(x.id), x, [this, x](operation<done> op) {
    ask_store<done>(x, [=, this](expected<done> removed) mutable {
      if (!removed && removed.error() != store_refusal::outcome_unknown)
        return finish(op, std::move(removed));
      if (removed) {
        set_rate(x.id, 0);
        set_asleep(x.id, false);
      }
      tell_others(x.id, [=, this]() mutable { finish(op, std::move(removed)); });
    });
  });
}

void registrar_state::tell_others(tenant_id tenant, std::function<void()> then) {
  if (!mine || tenant == 0)
    return then();
  auto what = peer_request{peer_part::registrar, caf::make_message(tenant_changed{tenant})};
  auto desks = ports.found->cluster->desks();
  auto left = std::make_shared<std::size_t>(desks.size() + 1);
  auto told = [left, then] {
    if (--*left == 0)
      then();
  };
  for (const auto& [node, desk] : desks)
    self->request(desk, cfg.peer_patience, what)
      .then([told](done) { told(); },
            [told](const caf::error&) { told(); }); // It reads all of them anew before long.
  told();
}

void registrar_state::tell_changed(bot_id bot, std::function<void()> then) {
  if (!mine)
    return then();
  auto desks = ports.found->cluster->desks();
  auto left = std::make_shared<std::size_t>(desks.size() + 1);
  auto told = [left, then] {
    if (--*left == 0)
      then();
  };
  for (const auto& [node, desk] : desks)
    self->request(desk, word_patience, bot_changed{bot})
      .then([told](done) { told(); },
            [told](const caf::error&) { told(); }); // It asks anew before long.
  told();
}

caf::result<done> registrar_state::hear_of(const tenant_changed& x) {
  return in_turn<done>(turn_of(x.tenant), x, [this, x](operation<done> op) {
    ask_store<page<tenant_row>>(
      tenant_query{x.tenant, 0, 1}, [=, this](caf::expected<page<tenant_row>> found) mutable {
        bool gone = !found && found.error() == store_refusal::not_found;
        if (!found && !gone)
          return finish<done>(op, std::move(found.error()));
        bool none = gone || found->rows.empty();
        set_rate(x.tenant, none ? 0 : found->rows.front().rps);
        set_asleep(x.tenant, !none && found->rows.front().suspended);
        when_awake(x.tenant, [=, this]() mutable { finish<done>(op, done{}); });
      });
  });
}

void registrar_state::set_rate(tenant_id tenant, std::uint32_t rps) {
  auto& rates = tenants.rates;
  auto known = rates.find(tenant);
  if ((known == rates.end() ? 0 : known->second) == rps)
    return;
  ++tenant_changes;
  if (rps == 0)
    rates.erase(known);
  else
    rates[tenant] = rps;
  tell_rates([] {});
}

bot_phase registrar_state::phase_of(const served& x) const {
  bool rests = x.phase != bot_phase::unauthorized && tenants.asleep.contains(x.tenant);
  return rests ? bot_phase::suspended : x.phase;
}

void registrar_state::set_asleep(tenant_id tenant, bool asleep) {
  auto all = tenants.asleep;
  if (asleep)
    all.insert(tenant);
  else
    all.erase(tenant);
  if (all.size() == tenants.asleep.size())
    return;
  ++tenant_changes;
  set_asleep(std::move(all));
}

void registrar_state::set_asleep(std::set<tenant_id> now_asleep) {
  auto before = std::exchange(tenants.asleep, std::move(now_asleep));
  if (before == tenants.asleep)
    return;
  for (const auto& [bot, x] : bots) {
    bool was = before.contains(x.tenant);
    if (was == tenants.asleep.contains(x.tenant) || x.phase == bot_phase::suspended
        || x.phase == bot_phase::unauthorized)
      continue;
    if (was)
      wake_up(bot, x);
    else
      put_to_sleep(bot, x);
    tell_intake(bot, x);
  }
}

void registrar_state::when_awake(tenant_id tenant, std::function<void()> then) {
  std::map<caf::actor_addr, bot_id> last; // What a shard answers now, it answers behind all before.
  if (!tenants.asleep.contains(tenant))
    for (const auto& [bot, x] : bots)
      if (auto shard = ports.found->bots_of(bot); shard && x.tenant == tenant)
        last[shard.address()] = bot;
  auto left = std::make_shared<std::size_t>(last.size() + 1);
  auto told = [left, then] {
    if (--*left == 0)
      then();
  };
  for (const auto& [shard, bot] : last)
    when_told(bot, told);
  told();
}

void registrar_state::when_told(bot_id bot, std::function<void()> then) {
  auto shard = ports.found->bots_of(bot);
  auto found = bots.find(bot);
  if (!shard || found == bots.end() || is_asleep(phase_of(found->second)))
    return then();
  auto what = start_of(bot, found->second);
  what.needed = false;
  self->request(shard, shard_patience, what)
    .then([then](const caf::strong_actor_ptr&) { then(); }, [then](const caf::error&) { then(); });
}

/// What a bot rested from, it rested from while its tenant did.
void registrar_state::wake_up(bot_id bot, const served& x) {
  run(bot, x, bot_phase::passive);
  if (x.phase == bot_phase::quarantined)
    hear(bot, bot_phase::active, {}, {}, x.quarantines);
}

void registrar_state::put_to_sleep(bot_id bot, const served& x) const {
  if (auto shard = ports.found->bots_of(bot))
    caf::anon_send(shard, bot_command{bot, bot_phase::suspended});
  ports.names->set_phase(x.token.key, bot, bot_phase::suspended);
}

void registrar_state::load_rates(std::function<void()> then) {
  load_rates(0, {}, tenant_changes, std::move(then));
}

void registrar_state::load_rates(tenant_id after, known_tenants found, std::uint64_t changes,
                                 std::function<void()> then) {
  auto take = [=, this](expected<page<tenant_row>> part) mutable {
    if (!part) {
      self->run_delayed(cfg.store_pause, [=, this] { load_rates(after, found, changes, then); });
      return;
    }
    for (const auto& row : part->rows) {
      if (row.rps != 0)
        found.rates[row.id] = row.rps;
      if (row.suspended)
        found.asleep.insert(row.id);
    }
    if (part->more)
      return load_rates(part->rows.back().id, std::move(found), changes, std::move(then));
    if (changes != tenant_changes) // Somebody's change may be newer than what was read.
      return load_rates(std::move(then));
    tenants.rates = std::move(found.rates);
    set_asleep(std::move(found.asleep));
    if (!tenants.rates.empty())
      return tell_rates(std::move(then));
    tell_rates([] {});
    then();
  };
  ask_store<page<tenant_row>>(tenant_query{0, after, cfg.page}, std::move(take));
}

void registrar_state::tell_rates(std::function<void()> then) {
  auto again = [this, then] { self->run_delayed(tell_pause, [this, then] { tell_rates(then); }); };
  auto governor = ports.found->rate_governor.get();
  if (!governor)
    return again();
  tenant_limits what;
  what.rates.assign(tenants.rates.begin(), tenants.rates.end());
  // It may be dead, and nobody know it yet: then its successor is told.
  self->request(governor, caf::infinite, std::move(what)).then(then, [again](const caf::error&) {
    again();
  });
}

} // namespace troupe::registering

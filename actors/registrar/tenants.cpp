#include "actors/registrar/state.hpp"
#include "messages/rate_governor.hpp"

/// Tenants are the store's; their rates are the governor's, too.
namespace troupe::registering {
namespace {

using caf::expected;

/// Before a governor that is being restarted is told again.
constexpr caf::timespan tell_pause = std::chrono::milliseconds{25};

/// Whose turn it is when a tenant is changed: no bot has such a number.
bot_id turn_of(tenant_id x) noexcept {
  return -static_cast<bot_id>(x) - 1;
}

} // namespace

caf::result<tenant_row> registrar_state::put_tenant(const tenant_put& x) {
  return in_turn<tenant_row>(turn_of(x.row.id), [this, x](operation<tenant_row> op) {
    ask_store<tenant_row>(x, [=, this](expected<tenant_row> stored) mutable {
      if (stored || stored.error() == store_refusal::outcome_unknown)
        tell_others(stored ? stored->id : x.row.id);
      if (stored)
        set_rate(stored->id, stored->rps);
      if (stored || stored.error() != store_refusal::outcome_unknown)
        return finish(op, std::move(stored));
      load_rates([=, this]() mutable { finish(op, std::move(stored)); });
    });
  });
}

caf::result<done> registrar_state::remove_tenant(const tenant_remove& x) {
  return in_turn<done>(turn_of(x.id), [this, x](operation<done> op) {
    ask_store<done>(x, [=, this](expected<done> removed) mutable {
      if (removed || removed.error() == store_refusal::outcome_unknown)
        tell_others(x.id);
      if (removed)
        set_rate(x.id, 0);
      finish(op, std::move(removed));
    });
  });
}

void registrar_state::tell_others(tenant_id tenant) {
  if (!mine || tenant == 0)
    return;
  auto what = peer_request{peer_part::registrar, caf::make_message(tenant_changed{tenant})};
  for (const auto& [node, desk] : ports.found->cluster->desks())
    self->request(desk, cfg.peer_patience, what)
      .then([](done) {}, [](const caf::error&) {}); // It reads all of them anew before long.
}

caf::result<done> registrar_state::hear_of(const tenant_changed& x) {
  return in_turn<done>(turn_of(x.tenant), [this, x](operation<done> op) {
    ask_store<page<tenant_row>>(tenant_query{x.tenant, 0, 1},
                                [=, this](caf::expected<page<tenant_row>> found) mutable {
                                  bool gone = !found && found.error() == store_refusal::not_found;
                                  if (!found && !gone)
                                    return finish<done>(op, std::move(found.error()));
                                  bool none = gone || found->rows.empty();
                                  set_rate(x.tenant, none ? 0 : found->rows.front().rps);
                                  finish<done>(op, done{});
                                });
  });
}

void registrar_state::set_rate(tenant_id tenant, std::uint32_t rps) {
  auto known = rates.find(tenant);
  if ((known == rates.end() ? 0 : known->second) == rps)
    return;
  ++rate_changes;
  if (rps == 0)
    rates.erase(known);
  else
    rates[tenant] = rps;
  tell_rates([] {});
}

void registrar_state::load_rates(std::function<void()> then) {
  load_rates(0, {}, rate_changes, std::move(then));
}

void registrar_state::load_rates(tenant_id after, std::map<tenant_id, std::uint32_t> found,
                                 std::uint64_t changes, std::function<void()> then) {
  auto take = [=, this](expected<page<tenant_row>> part) mutable {
    if (!part) {
      self->run_delayed(cfg.store_pause, [=, this] { load_rates(after, found, changes, then); });
      return;
    }
    for (const auto& row : part->rows)
      if (row.rps != 0)
        found[row.id] = row.rps;
    if (part->more)
      return load_rates(part->rows.back().id, std::move(found), changes, std::move(then));
    if (changes != rate_changes) // Somebody's change may be newer than what was read.
      return load_rates(std::move(then));
    rates = std::move(found);
    if (!rates.empty())
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
  what.rates.assign(rates.begin(), rates.end());
  // It may be dead, and nobody know it yet: then its successor is told.
  self->request(governor, caf::infinite, std::move(what)).then(then, [again](const caf::error&) {
    again();
  });
}

} // namespace troupe::registering

#include "tests/simulation/run.hpp"

#include "actors/session_pool/session_pool.hpp"
#include "messages/health.hpp"
#include "messages/journal.hpp"
#include "messages/rate_governor.hpp"
#include "runtime/past/past_mark.hpp"
#include "tests/simulation/history.hpp"

#include <iostream>

namespace troupe::simulation {

using namespace std::chrono_literals;

namespace {

/// How long everything may take to come to rest after the last fault: a bot's quarantine, delays
/// between attempts, Telegram's own retries.
constexpr duration rest_limit = std::chrono::minutes{45};

/// A deadline's grace: what the bot itself adds, and a restart or two on the way.
constexpr duration grace = 2s;

/// So many messages and timers at one moment: they make each other.
constexpr std::uint64_t most_turns = 100'000;

} // namespace

history::history(const plan& what, const run_options& how)
  : plan_(what), how_(how), world_(what, how), begin_(world_.now) {
  if (how_.verbose)
    world_.tell = [this](const std::string& what) { tell(what); };
  world_.hear = [this] { hear(); };
  world_.post = [this](std::size_t bot, std::size_t update) {
    return node_ && !stopping_ && node_->post(bot, update);
  };
  for (std::size_t i = 0; i < what.calls.size(); ++i) {
    const auto& x = what.calls[i];
    auto at = begin_ + std::chrono::milliseconds{x.at_ms};
    world_.plans.at(at, [this, i] { begin_call(i); });
    if (x.leaves_ms >= 0)
      world_.plans.at(at + std::chrono::milliseconds{x.leaves_ms}, [this, i] {
        if (node_)
          node_->leave(i);
      });
  }
  for (const auto& x : what.updates)
    world_.plans.at(begin_ + std::chrono::milliseconds{x.at_ms},
                    [this, x] { world_.telegram.happen(x.bot, x.chat, x.query); });
  // What a plan's faults need not wait for.
  for (const auto& x : what.faults)
    world_.plans.at(begin_ + std::chrono::milliseconds{x.at_ms}, [this, x] {
      due_.push_back({steps_ + x.after, x});
    });
  touch();
}

void history::begin_call(std::size_t i) {
  auto& state = world_.calls[i];
  state.begun = true;
  if (node_ && !stopping_)
    return node_->begin(i);
  ++state.answers;
  state.how = "no node";
}

/// As the node does once a second.
void history::touch() {
  if (node_)
    marked_ = world_.wall();
  world_.later(1s, [this] { touch(); });
}

void history::start_node() {
  auto unseen = unseen_past::none();
  if (lives_ > 0)
    unseen = unseen_after(std::chrono::milliseconds{world_.wall() - marked_});
  world_.verdict.node_started();
  world_.verdict.places(request_places(world_.pool), world_.now);
  node_ = std::make_unique<node>(world_, unseen, !enrolled_);
  stopping_ = false;
  marked_ = world_.wall();
  ++lives_;
  tell("the node starts");
}

void history::end_node(duration until_next, bool orderly) {
  enrolled_ = enrolled_ || node_->registered();
  auto left = node_->bury(orderly);
  if (left != 0)
    world_.verdict.fail("orphans", std::to_string(left) + " actors outlived the root");
  world_.upstream->vanish();
  world_.tenants->vanish();
  world_.disk->vanish();
  node_.reset();
  for (auto& x : world_.calls)
    if (x.begun && x.answers == 0) {
      ++x.answers;
      x.how = "the node ended";
    }
  tell("the node has ended");
  world_.later(until_next, [this] { start_node(); });
}

void history::tell(const std::string& what) const {
  if (how_.verbose)
    std::cout << "  " << (world_.now - begin_) / 1ms << " ms, message " << steps_ << ": " << what
              << '\n';
}

/// How the bots stand. Nobody is asked: a replay has the same messages.
void history::tell_bots() {
  if (!how_.verbose || !node_)
    return;
  for (const auto& bot : plan_.bots)
    if (auto known = node_->parts().names()->find(bot.id))
      tell("bot " + std::to_string(bot.id) + ": " + to_string(known->phase)
           + (known->actor ? ", runs" : ""));
    else
      tell("bot " + std::to_string(bot.id) + " is unknown");
}

void history::tell_log() {
  auto all = log_.lines();
  for (; told_ < all.size(); ++told_)
    tell(all[told_].substr(all[told_].find(',') + 1));
}

// -- faults -----------------------------------------------------------------------

void history::faults() {
  for (std::size_t i = 0; i < due_.size();)
    if (due_[i].first <= steps_ && node_) {
      auto x = due_[i].second;
      due_.erase(due_.begin() + static_cast<std::ptrdiff_t>(i));
      inflict(x);
    } else {
      ++i;
    }
}

void history::spell(bool weather::*which, const fault& x) {
  world_.sky.*which = true;
  world_.later(std::chrono::milliseconds{x.length_ms},
               [this, which] { world_.sky.*which = false; });
}

void history::inflict(const fault& x) {
  auto length = std::chrono::milliseconds{x.length_ms};
  tell(to_string(x));
  ++world_.happened[trouble_names[static_cast<std::size_t>(x.what)]];
  switch (x.what) {
  case trouble::kill:
  case trouble::torment:
  case trouble::slow_actor: {
    const auto& all = node_->members();
    auto at = x.pick % (all.size() + 1);
    auto who = at == all.size() ? caf::actor_cast<caf::actor>(node_->parts().root()) : all[at].who;
    if (!who)
      return;
    tell("that is " + (at == all.size() ? "the root" : all[at].supervisor + " / " + all[at].name));
    auto name = at == all.size() ? "the root" : name_of(all[at].supervisor, all[at].name);
    ++world_.happened[(x.what == trouble::slow_actor ? "delayed: " : "killed: ") + name];
    if (x.what == trouble::torment && at < all.size())
      return torment(all[at].supervisor, all[at].name, world_.now + length);
    if (x.what != trouble::slow_actor)
      return caf::anon_send_exit(who, caf::exit_reason::kill);
    world_.delay(length);
    return node_->slow(who.id(), world_.now + length);
  }
  case trouble::crash:
    return end_node(length, false);
  case trouble::stop:
    if (!std::exchange(stopping_, true))
      node_->stop();
    pause_ = length;
    return;
  case trouble::store_fails:
    world_.sky.store_full = x.pick % 3 == 0;
    return spell(&weather::store_fails, x);
  case trouble::store_slow:
    return spell(&weather::store_slow, x);
  case trouble::upstream_fails:
    world_.sky.failing = x.pick % 2 == 0 ? 600 : 1000;
    return spell(&weather::upstream_fails, x);
  case trouble::upstream_floods:
    return spell(&weather::upstream_floods, x);
  case trouble::upstream_breaks:
    return spell(&weather::upstream_breaks, x);
  case trouble::upstream_hangs:
    return spell(&weather::upstream_hangs, x);
  case trouble::tenants_fail:
    return spell(&weather::tenants_fail, x);
  case trouble::settings_change: {
    dice d{x.pick};
    choose_limits(world_.budgets, world_.pool, d);
    world_.verdict.settings(world_.budgets, world_.now);
    world_.verdict.places(request_places(world_.pool), world_.now);
    if (world_.passivation.policy != passivation_kind::off)
      choose_policy(world_.passivation, d);
    return node_->reconfigure();
  }
  case trouble::clock_jumps:
    world_.wall_offset += static_cast<std::int64_t>(x.pick % 7'200'000) - 3'600'000;
    return;
  }
}

/// Kills whoever has this place, again and again.
void history::torment(const std::string& supervisor, const std::string& name, time_point until) {
  if (world_.now > until)
    return;
  if (node_)
    for (const auto& x : node_->members())
      if (x.supervisor == supervisor && x.name == name)
        caf::anon_send_exit(x.who, caf::exit_reason::kill);
  world_.later(200ms, [this, supervisor, name, until] { torment(supervisor, name, until); });
}

// -- the course of things -----------------------------------------------------------

bool history::advance() {
  if (world_.now != moment_)
    moment_ = world_.now, turns_ = 0;
  if (++turns_ > most_turns)
    world_.verdict.fail("rest", "there is no end of messages while time stands still");
  faults();
  if (node_ && node_->ended()) {
    tell("the root has ended");
    end_node(std::max<duration>(pause_, 1s), true);
    pause_ = {};
    return true;
  }
  if (node_ && node_->step()) {
    ++steps_;
    return true;
  }
  if (node_ && node_->quiet())
    look();
  auto next = world_.plans.next();
  auto inside = node_ ? node_->next_timer() : time_point::max();
  if (std::min(next, inside) == time_point::max())
    return false;
  // Whoever waits for messages that do not come: they are due now.
  if (std::min(next, inside) > world_.now)
    for (auto& x : due_)
      x.first = std::min(x.first, steps_ + 5);
  world_.now = std::max(world_.now, std::min(next, inside));
  if (node_)
    node_->set_clock(world_.now);
  if (next <= inside)
    world_.plans.run_one();
  else
    node_->run_timer();
  return true;
}

/// No message is under way: now the node's books and the world must agree.
void history::look() {
  if (auto strangers = node_->strangers(); strangers != 0)
    world_.verdict.fail("orphans", std::to_string(strangers) + " actors run beside the tree's");
  if (auto late = node_->gateway().overdue ? node_->gateway().overdue(grace) : std::string{};
      !late.empty())
    world_.verdict.fail("deadlines", late);
  if (++quiet_ % 8 != 0)
    return;
  auto pool = node_->ask<pool_report>(node_->parts().found()->session_pool.get(), get_report{});
  if (!pool)
    return;
  auto leased = std::size_t{pool->leased} + pool->polls;
  if (leased != world_.upstream->busy())
    world_.verdict.fail("leases", "the pool has " + std::to_string(leased) + " leases out, and "
                                    + std::to_string(world_.upstream->busy())
                                    + " sessions are in use");
}

result history::run() {
  start_node();
  auto end = begin_ + std::chrono::milliseconds{plan_.length_ms};
  bool calm = false;
  auto next_look = end;
  while (!world_.verdict.failed() && steps_ < how_.most_steps) {
    if (!advance())
      break;
    if (how_.verbose)
      tell_log();
    if (!calm && world_.now >= end) {
      calm = true;
      due_.clear();
      world_.sky = {};
      if (plan_.cramped) // The operator heard of it.
        world_.passivation.max_active = plan_.shards * 2 * plan_.bots.size();
      if (node_ && plan_.cramped)
        node_->reconfigure();
      if (node_)
        node_->hurry();
      tell("calm");
      tell_bots();
    }
    if (calm && world_.now >= next_look && node_ && node_->quiet()) {
      auto why = unrest();
      if (why.empty())
        break;
      if (world_.now > end + rest_limit)
        world_.verdict.fail("rest", why);
      next_look = world_.now + 20s;
    }
  }
  if (!world_.verdict.failed() && calm)
    final_look();
  return report();
}

/// Why it is not over; empty: it is.
std::string history::unrest() {
  if (stopping_ || !node_->registered())
    return "bots are not registered";
  for (std::size_t i = 0; i < world_.calls.size(); ++i)
    if (auto& x = world_.calls[i]; !x.begun) { // The plan's last ones come after its end.
      return "call " + std::to_string(i + 1) + " has not come";
    } else if (x.answers == 0 && x.how.empty()) {
      ++x.answers; // Its gateway died before it had accepted the connection.
      x.how = "no gateway";
    } else if (x.answers == 0)
      return "call " + std::to_string(i + 1) + " has no answer";
  for (std::size_t i = 0; i < plan_.bots.size(); ++i) {
    const auto& bot = plan_.bots[i];
    const auto& all = world_.telegram.bots[i].updates;
    for (std::size_t u = 0; u < all.size(); ++u) {
      auto name = "update " + std::to_string(u) + " of bot " + std::to_string(bot.id);
      if (!all[u].acked)
        return name + " is still at Telegram";
      if (all[u].delivered == 0 && bot.how != receiver_kind::nobody
          && bot.how != receiver_kind::rules && !gone(i, u))
        return name + " is not delivered";
    }
  }
  for (const auto& bot : plan_.bots) { // One that crashed too often rests for a while.
    auto known = node_->parts().names()->find(bot.id);
    if (!known || (!known->actor && known->phase != bot_phase::passive))
      return "bot " + std::to_string(bot.id) + " does not run";
  }
  hear();
  if (world_.verdict.lacks_places())
    return "bots find no place in memory";
  if (auto found =
        node_->ask<pool_report>(node_->parts().found()->session_pool.get(), get_report{});
      !found || found->leased != 0 || found->waiting != 0)
    return "the pool has leases, or waiters";
  // The node's own calls, too, which have deadlines of their own.
  if (auto found =
        node_->ask<governor_report>(node_->parts().found()->rate_governor.get(), get_report{});
      !found || found->waiting != 0)
    return "somebody waits in the governor";
  return {};
}

/// Whether an update left as a dead letter, or by its lifetime.
bool history::gone(std::size_t bot, std::size_t update) {
  const auto& x = world_.telegram.bots[bot].updates[update];
  constexpr std::int64_t query_lifetime = 150'000;
  // A clock that jumped ahead ends lifetimes early, and one that was set back late.
  if (x.query && (plan_has_jumps() || world_.wall() > x.acked_at + query_lifetime))
    return true;
  auto journal = node_->parts().found()->updates->journal.get();
  dead_letter_query what;
  what.bot = plan_.bots[bot].id;
  what.limit = 1000;
  // Known at the next look.
  node_->ask_later<dead_letter_page>(journal, what, [dead = dead_](const dead_letter_page& page) {
    for (const auto& row : page.rows)
      dead->insert(row.update_id);
  });
  return dead_->contains(world_.telegram.id_of(bot, update));
}

bool history::plan_has_jumps() const {
  return std::any_of(plan_.faults.begin(), plan_.faults.end(),
                     [](const fault& x) { return x.what == trouble::clock_jumps; });
}

/// What health says of a breaker is what it said when it last changed it.
void history::look_at_breakers() {
  for (const auto& bot : plan_.bots) {
    auto said =
      node_->ask<bot_health>(node_->parts().found()->health.get(), bot_health_request{bot.id});
    hear();
    if (said)
      world_.verdict.compare(bot.id, said->breaker);
  }
}

void history::final_look() {
  if (!node_)
    return;
  look_at_breakers();
  auto& found = *node_->parts().found();
  auto governor = node_->ask<governor_report>(found.rate_governor.get(), get_report{});
  if (!governor)
    return world_.verdict.fail("rest", "the governor does not answer");
  if (governor->waiting != 0)
    world_.verdict.fail("rest", "somebody waits in the governor");
  // The governor has credits for places that settings took away until requests settle them.
  auto places = request_places(world_.pool);
  if (governor->credits < places || governor->credits > places + world_.verdict.most_debt())
    world_.verdict.fail("leases", "the governor has " + std::to_string(governor->credits)
                                    + " credits of " + std::to_string(places) + ", and "
                                    + std::to_string(world_.verdict.most_debt())
                                    + " at most to settle");
  if (governor->credits > places)
    ++world_.happened["credits above places"];
  for (const auto& bot : plan_.bots) {
    auto known = node_->parts().names()->find(bot.id);
    if (known && (known->phase == bot_phase::passive || known->phase == bot_phase::passivating))
      continue;
    if (!known || !known->actor) {
      world_.verdict.fail("rest", "bot " + std::to_string(bot.id) + " does not run");
      continue;
    }
    auto said = node_->ask<bot_report>(known->actor, get_report{});
    if (said && said->queued != 0)
      world_.verdict.fail("rest", "calls wait in bot " + std::to_string(bot.id));
  }
  auto journal = node_->ask<journal_report>(found.updates->journal.get(), get_report{});
  if (!journal)
    return world_.verdict.fail("rest", "the journal does not answer");
}

/// What was logged meanwhile.
void history::hear() {
  auto all = log_.lines();
  for (; heard_ < all.size(); ++heard_) {
    const auto line = all[heard_];
    auto idle_after = world_.passivation.idle_after;
    bool evicts_for_places = idle_after.count() == 0 || idle_after >= 1min;
    if (line.find("bot.evicted") != std::string::npos)
      ++world_.happened[evicts_for_places ? "evicted for its place" : "evicted"];
    if (line.find("alert.raised") != std::string::npos
        && line.find("bots.no-place") != std::string::npos)
      ++world_.happened["no place"];
    world_.verdict.logged(line);
    // Its time is the machine's, the rest the history's.
    for (char c : line.substr(line.find(',')))
      world_.verdict.note(static_cast<unsigned char>(c));
  }
}

result history::report() {
  hear();
  result x;
  x.broken = world_.verdict.broken();
  x.how = world_.verdict.how();
  x.trace = world_.verdict.trace();
  x.steps = steps_;
  x.seconds = std::chrono::duration<double>(world_.now - begin_).count();
  x.sends = world_.verdict.sends;
  x.updates = world_.telegram.accepted;
  x.lives = lives_;
  x.faults = world_.happened;
  x.started = world_.started;
  for (const auto& call : world_.calls)
    if (call.begun)
      ++x.endings[call.how];
  return x;
}

history::~history() {
  if (!node_)
    return;
  node_->bury(false);
  // What waits there knows actors, and must not outlive their system.
  world_.upstream->vanish();
  world_.tenants->vanish();
  world_.disk->vanish();
  node_.reset();
}

result run(const plan& what, const run_options& how) {
  history x{what, how};
  return x.run();
}

} // namespace troupe::simulation

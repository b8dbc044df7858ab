#include "tests/simulation/cluster/universe.hpp"

#include "actors/cluster/keys.hpp"
#include "runtime/store/migrations.hpp"
#include "tests/simulation/cluster/node.hpp"

#include <algorithm>
#include <iostream>

namespace troupe::simulation::clustered {

using namespace std::chrono_literals;

namespace {

constexpr duration grace = 3s; ///< Of a client beyond its deadline.

store::database opened() {
  store::database_options how;
  how.where = {store::backend::sqlite, ":memory:"};
  store::database db{how};
  store::migrate(db);
  return db;
}

} // namespace

universe::universe(const plan& what, const run_options& how)
  : what(what), how(how), luck(what.seed ^ 0x6C75636Bu), verdict(what), etcd(*this), net(*this),
    db(opened()), calls(what.calls.size()) {
  for (std::size_t i = 0; i < node_count; ++i)
    start(i);
  for (std::size_t i = 0; i < what.calls.size(); ++i)
    plans.at(beginning + std::chrono::milliseconds{what.calls[i].at_ms},
             [this, i] { begin_call(i); });
  for (const auto& x : what.faults)
    plans.at(beginning + std::chrono::milliseconds{x.at_ms}, [this, x] { inflict(x); });
}

universe::~universe() {
  for (std::size_t i = 0; i < node_count; ++i)
    if (nodes[i])
      kill(i);
}

// -- time -----------------------------------------------------------------------------------------

time_point universe::local_of(std::size_t node, time_point real) const {
  const auto& clock = what.clocks[node];
  auto passed = (real - beginning).count();
  return real + duration{clock.offset_ns + passed / 1'000 * clock.drift_ppm / 1'000};
}

/// The first moment at which the node's clock shows it.
time_point universe::real_of(std::size_t node, time_point local) const {
  const auto& clock = what.clocks[node];
  auto shown = (local - beginning).count() - clock.offset_ns;
  auto at = beginning + duration{shown - shown / 1'000 * clock.drift_ppm / 1'000};
  at += local - local_of(node, at);
  while (local_of(node, at) < local)
    at += duration{1};
  while (local_of(node, at - duration{1}) >= local)
    at -= duration{1};
  return at;
}

// -- what reaches whom ----------------------------------------------------------------------------

duration universe::way() {
  return std::chrono::microseconds{luck.between(100, what.net_us)};
}

duration universe::way_to_etcd(std::size_t node) {
  return etcd_slow[node] > 0 ? way() + std::chrono::milliseconds{luck.below(1'500)} : way();
}

void universe::deliver(std::size_t at, std::uint64_t life, std::function<void()> what) {
  if (nodes[at] && nodes[at]->life() == life)
    nodes[at]->deliver(std::move(what));
}

// -- what happens ---------------------------------------------------------------------------------

void universe::key_changed(const etcd::entry& x, bool deleted) {
  using clustering::key_space;
  auto place = key_space{"troupe"}.read(x.key);
  if (place.what == key_space::kind::shard)
    verdict.owned(place.shard, deleted ? node_count : static_cast<std::size_t>(x.value.at(1) - '1'),
                  now);
}

void universe::begin_call(std::size_t i) {
  auto& state = calls[i];
  const auto& c = what.calls[i];
  state.begun = true;
  state.node = c.entry;
  state.deadline = now + std::chrono::milliseconds{c.patience_ms};
  if (!nodes[c.entry])
    return end_call(i, "no node");
  nodes[c.entry]->begin_call(i);
}

void universe::end_call(std::size_t i, std::string how) {
  if (++calls[i].answers > 1)
    verdict.fail("answers",
                 "call " + std::to_string(i) + " has two answers: " + calls[i].how + ", " + how);
  ++endings[how];
  calls[i].how = std::move(how);
}

void universe::start(std::size_t at) {
  if (!nodes[at])
    nodes[at] = std::make_unique<node>(*this, at, ++lives[at]);
}

void universe::kill(std::size_t at) {
  for (std::size_t other = 0; other < node_count; ++other)
    if (other != at)
      net.end(at, other);
  net.forget(at);
  etcd.forget(at);
  auto gone = std::move(nodes[at]);
  ++lives[at]; // Nothing of it reaches anybody.
  gone.reset();
  net.forget(at);
  for (std::size_t i = 0; i < calls.size(); ++i)
    if (calls[i].begun && calls[i].answers == 0 && calls[i].node == at)
      end_call(i, "connection ended");
}

void universe::pause(std::size_t at) {
  nodes[at]->pause();
  net.silent(at);
}

void universe::resume(std::size_t at) {
  if (nodes[at] && nodes[at]->paused())
    nodes[at]->resume();
}

void universe::spell(int& which, const fault& x) {
  ++which;
  later(std::chrono::milliseconds{x.length_ms}, [&which] { --which; });
}

void universe::inflict(const fault& x) {
  auto length = std::chrono::milliseconds{x.length_ms};
  auto* who = living(x.node);
  tell(describe(x));
  bool about_process = x.what == trouble::node_killed || x.what == trouble::node_paused
                       || x.what == trouble::governor_killed || x.what == trouble::cluster_killed
                       || x.what == trouble::node_drained;
  if (about_process && (who == nullptr || who->paused()))
    return;
  ++happened[trouble_names[static_cast<std::size_t>(x.what)]];
  switch (x.what) {
  case trouble::node_killed:
    kill(x.node);
    return later(length, [this, at = x.node] { start(at); });
  case trouble::node_paused:
    pause(x.node);
    return later(length, [this, at = x.node] { resume(at); });
  case trouble::etcd_unreachable:
    return spell(etcd_cut[x.node], x);
  case trouble::etcd_slow:
    return spell(etcd_slow[x.node], x);
  case trouble::etcd_away:
    ++etcd_away;
    return later(length, [this] {
      if (--etcd_away == 0)
        etcd.renew_leases();
    });
  case trouble::etcd_compacted:
    return etcd.compact();
  case trouble::link_cut:
    return net.cut(x.node, x.other, length);
  case trouble::link_black:
    net.block(x.other, x.node, length);
    return net.block(x.node, x.other, length);
  case trouble::link_one_way:
    return net.block(x.node, x.other, length);
  case trouble::link_slow:
    return net.slow(x.node, x.other, length);
  case trouble::governor_killed:
    return who->kill_governor();
  case trouble::cluster_killed:
    return who->kill_cluster();
  case trouble::node_drained:
    return who->drain(x.other, true);
  case trouble::store_slow:
    return spell(store_slow, x);
  case trouble::leader_unreachable:
    if (const auto* leader = etcd.find("/troupe/leader"))
      spell(etcd_cut[static_cast<std::size_t>(leader->value.at(1) - '1')], x);
    return;
  case trouble::node_isolated:
    return isolate(x);
  }
}

void universe::isolate(const fault& x) {
  auto length = std::chrono::milliseconds{x.length_ms};
  constexpr std::chrono::milliseconds failing{failing_ms};
  for (std::size_t other = 0; other < node_count; ++other)
    if (other != x.node)
      net.slow(x.node, other, failing);
  later(failing, [this, x, length] {
    spell(etcd_cut[x.node], x);
    for (std::size_t other = 0; other < node_count; ++other)
      if (other != x.node) {
        net.block(x.node, other, length);
        net.block(other, x.node, length);
      }
  });
}

void universe::tell(const std::string& said) const {
  if (how.verbose)
    std::cout << "  " << (now - beginning) / 1ms << " ms, message " << steps_ << ": " << said
              << '\n';
}

void universe::tell_log() {
  auto all = log.lines();
  for (; told_ < all.size(); ++told_)
    tell(all[told_]);
}

// -- the course of things -------------------------------------------------------------------------

bool universe::step() {
  std::array<std::size_t, node_count> may{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < node_count; ++i)
    if (nodes[i] && nodes[i]->busy())
      may[count++] = i;
  if (count == 0)
    return false;
  nodes[may[luck.below(count)]]->step();
  ++steps_;
  look_at_owners();
  return true;
}

bool universe::advance() {
  if (step())
    return true;
  look();
  auto next = plans.next();
  std::size_t whose = node_count;
  for (std::size_t i = 0; i < node_count; ++i)
    if (auto at = nodes[i] ? nodes[i]->next_timer() : time_point::max(); at < next)
      next = at, whose = i;
  if (next == time_point::max())
    return false;
  now = std::max(now, next);
  for (auto& one : nodes)
    if (one && !one->paused())
      one->set_clock();
  if (whose == node_count)
    plans.run_one();
  else
    nodes[whose]->run_timers();
  look_at_owners();
  return true;
}

/// Of no bot two nodes say at once that they serve it: who may act, by what he sees himself.
void universe::look_at_owners() {
  std::array<const cluster_view*, node_count> who{};
  for (std::size_t i = 0; i < node_count; ++i)
    if (nodes[i] && nodes[i]->view().holds(local_now(i)))
      who[i] = &nodes[i]->view();
  for (auto bot : what.bots) {
    int serving = 0;
    for (const auto* one : who)
      serving += one != nullptr && one->owns(bot) ? 1 : 0;
    if (serving > 1)
      verdict.fail("owners", "bot " + std::to_string(bot) + " is served by two nodes");
  }
}

/// Nobody waits for longer than he said, but for the time that his node stood still.
void universe::look() {
  if (now - looked_ < 500ms)
    return;
  looked_ = now;
  for (std::size_t i = 0; i < calls.size() && calls[i].begun; ++i) {
    const auto* on = nodes[calls[i].node].get();
    // Read when the node went on, it may wait for so long from then on.
    auto patience = std::chrono::milliseconds{what.calls[i].patience_ms};
    if (calls[i].answers == 0 && on != nullptr && !on->paused()
        && now > std::max(calls[i].deadline, on->resumed() + patience) + grace)
      verdict.fail("deadlines", "call " + std::to_string(i) + " waits beyond its deadline");
  }
}

/// Why it is not over; empty: it is.
std::string universe::unrest() {
  for (std::size_t i = 0; i < node_count; ++i)
    if (!nodes[i] || nodes[i]->paused() || nodes[i]->view().life() == 0
        || nodes[i]->view().desks().size() != node_count - 1)
      return "n" + std::to_string(i + 1) + " does not know both others";
  for (shard_id shard = 0; shard < shard_count; ++shard) {
    int ready = 0;
    for (auto& one : nodes)
      ready += one->view().fence_of(shard) != 0 && one->view().is_ready(shard) ? 1 : 0;
    if (ready != 1)
      return "shard " + std::to_string(shard) + " is served by " + std::to_string(ready);
  }
  return {};
}

void universe::measure(time_point from) {
  bool whole = !what.calls.empty() && what.calls.back().at_ms + 1'000 > what.length_ms;
  if (what.budget == 0 || !whole)
    return;
  auto most = what.budget * static_cast<std::uint64_t>(measured_ms / 1'000);
  auto used = verdict.permits(from, from + std::chrono::milliseconds{measured_ms});
  if (used * 100 < most * 95)
    verdict.fail("used", std::to_string(used) + " of " + std::to_string(most)
                           + " were let through, though more were asked for");
}

result universe::run() {
  // The last fault's end, then 10 s for it to be seen, then the time in which all comes to rest.
  auto calm = beginning + std::chrono::milliseconds{what.trouble_ms + 10'000};
  auto rested = calm + std::chrono::milliseconds{settle_ms};
  auto end = beginning + std::chrono::milliseconds{what.length_ms};
  plans.at(calm, [this] {
    for (std::size_t i = 0; i < node_count; ++i) {
      resume(i);
      start(i);
    }
    tell("calm");
  });
  // An operator takes draining back, and goes on until he is heard.
  for (auto at = calm + 100ms; at < calm + 8s; at += 2s)
    plans.at(at, [this] {
      for (std::size_t i = 0; i < node_count; ++i)
        if (etcd.find("/troupe/drain/n" + std::to_string(i + 1)) != nullptr)
          nodes[(i + 1) % node_count]->drain(i, false);
    });
  plans.at(rested, [this] {
    if (auto why = unrest(); !why.empty())
      verdict.fail("rest", why);
  });
  auto last = end + 12s;
  plans.at(last, [] {});
  while (!verdict.failed() && now < last && advance())
    if (how.verbose)
      tell_log();
  result x;
  if (what.budget != 0 && now > end)
    x.used =
      static_cast<double>(verdict.permits(rested, rested + std::chrono::milliseconds{measured_ms}))
      / (what.budget * (static_cast<double>(measured_ms) / 1'000));
  if (!verdict.failed()) {
    measure(rested);
    for (std::size_t i = 0; i < calls.size(); ++i)
      if (calls[i].begun && calls[i].answers != 1)
        verdict.fail("answers", "call " + std::to_string(i) + " has no answer");
  }
  x.broken = verdict.broken();
  x.how = verdict.how();
  x.trace = verdict.trace();
  x.steps = steps_;
  x.seconds = std::chrono::duration<double>(now - beginning).count();
  x.sends = verdict.sends;
  x.endings = endings;
  x.happened = happened;
  return x;
}

result run(const plan& what, const run_options& how) {
  universe world{what, how};
  return world.run();
}

} // namespace troupe::simulation::clustered

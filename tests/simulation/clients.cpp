#include "messages/bot.hpp"
#include "messages/supervisor.hpp"
#include "messages/updates.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/telegram/methods.hpp"
#include "runtime/telegram/update.hpp"
#include "tests/simulation/ingress.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <map>

namespace troupe::simulation {
namespace {

using namespace std::chrono_literals;

constexpr auto request_timeout = 60s;
constexpr auto lookup_pause = 25ms;
constexpr auto query_lifetime = 150s;

enum class stage : std::uint8_t { looking, waiting, exchanging };

/// One call's connection.
struct connection {
  std::size_t call = 0; ///< Of the plan.
  call_id id = 0;
  time_point begun{};
  time_point wait_until{};
  stage at = stage::looking;
  bot_actor bot;
  lease held;
  bool failed = false; ///< An attempt has; the bot is asked for another.
  bool left = false;   ///< Nobody waits for the answer any more.
  outcome how;
};

/// A client library that polls.
struct puller {
  std::uint64_t id = 0;
  bot_actor bot;
  bool asked = false;
};

class clients : public std::enable_shared_from_this<clients> {
public:
  clients(caf::event_based_actor* self, ingress_ports with) : self(self), ports(std::move(with)) {
    next_id = (++ports.world->gateways << 40) + 1;
    pullers.resize(ports.world->what.bots.size());
  }

  clients(const clients&) = delete;
  clients& operator=(const clients&) = delete;
  ~clients() { died(); } // With the actor, however it ends.

  caf::behavior behavior() {
    for (std::size_t i = 0; i < pullers.size(); ++i)
      if (ports.world->what.bots[i].how == receiver_kind::pull)
        pull(i);
    return {
      [me = shared_from_this()](caf::put_atom, std::uint64_t call) { me->begin(call); },
      [me = shared_from_this()](caf::delete_atom, std::uint64_t call) { me->leave(call); },
      [me = shared_from_this()](caf::update_atom, std::uint64_t id) { me->exchanged(id); },
    };
  }

  std::string overdue(duration grace) const {
    for (const auto& [id, x] : open)
      if (x.at != stage::exchanging && !x.left
          && ports.world->now > x.wait_until + grace + 2 * ports.world->slack_since(x.begun))
        return "call " + std::to_string(x.call + 1) + " of bot "
               + std::to_string(ports.world->what.bots[plan_of(x).bot].id) + " waits "
               + std::to_string((ports.world->now - x.wait_until) / 1ms) + " ms past its deadline";
    return {};
  }

  std::size_t connections() const { return open.size(); }

private:
  const call_plan& plan_of(const connection& x) const { return ports.world->what.calls[x.call]; }

  void begin(std::uint64_t call) {
    ports.world->calls[call].how = "taken";
    auto id = next_id++;
    auto& x = open[id];
    x.call = call;
    x.id = id;
    x.begun = ports.world->now;
    x.wait_until = ports.world->now + std::chrono::milliseconds{plan_of(x).patience_ms};
    by_call[call] = id;
    look(id);
  }

  void look(call_id id) {
    auto found = open.find(id);
    if (found == open.end())
      return;
    auto& x = found->second;
    if (x.left)
      return answer(id, "left");
    auto known = ports.names->find(ports.world->what.bots[plan_of(x).bot].id);
    bool over = ports.world->now >= x.wait_until;
    if (known && known->actor) {
      x.bot = known->actor;
      return submit(id);
    }
    if (known && is_away(known->phase) && !over)
      return activate(id, known->home);
    bool refused =
      known && (known->phase == bot_phase::quarantined || known->phase == bot_phase::unauthorized);
    if (refused || over)
      return answer(id, refused ? "quarantined" : "no bot in time");
    x.at = stage::looking;
    self->run_delayed(lookup_pause, [this, id] { look(id); });
  }

  static bool is_away(bot_phase x) {
    return x == bot_phase::passive || x == bot_phase::passivating;
  }

  /// Brings the call's bot back into memory.
  void activate(call_id id, bot_id home) {
    open.at(id).at = stage::looking;
    auto again = [this, id] { self->run_delayed(lookup_pause, [this, id] { look(id); }); };
    auto shard = ports.found->bots_of(home);
    if (!shard)
      return again();
    self->request(shard, caf::infinite, activate_bot{home, false})
      .then([this, id](const caf::strong_actor_ptr&) { look(id); },
            [this, id, again](const caf::error& why) {
              if (why != ec::too_many_bots || !open.contains(id))
                return again();
              ports.world->hear();
              ports.world->verdict.found_no_place(
                ports.world->what.bots[plan_of(open.at(id)).bot].id);
              answer(id, "too_many_bots");
            });
  }

  void submit(call_id id) {
    auto& x = open.at(id);
    const auto& p = plan_of(x);
    const auto index = troupe::telegram::find_method(p.method);
    const auto& about = troupe::telegram::method(index);
    x.at = stage::waiting;
    call c;
    c.id = id;
    c.method = index;
    c.repeatable = about.repeatable();
    c.produces_message = about.has(troupe::telegram::method_trait::produces_message);
    c.chat = {p.chat, p.chat < 0};
    c.patience = std::max<caf::timespan>(x.wait_until - ports.world->now, 0ms);
    self->request(x.bot, caf::infinite, c)
      .then([this, id](const grant& granted) { exchange(id, granted); },
            [this, id](const caf::error& why) { refused(id, why); });
  }

  void refused(call_id id, const caf::error& why) {
    auto& x = open.at(id);
    bool died = why.category() == caf::type_id_v<caf::sec>;
    if (x.left || !died || x.failed || ports.world->now >= x.wait_until)
      return answer(id, x.left     ? "left"
                        : x.failed ? "failed"
                        : died     ? "died"
                        : why.category() == caf::type_id_v<ec>
                          ? to_string(static_cast<ec>(why.code()))
                          : "another error");
    x.at = stage::looking;
    self->run_delayed(1ms, [this, id] { look(id); }); // Its successor gets it.
  }

  void exchange(call_id id, const grant& granted) {
    auto& x = open.at(id);
    x.held = granted.session;
    if (x.left) {
      outcome how;
      how.what = failure::aborted;
      how.unsent = true;
      self->send(x.bot, call_done{id, x.held, how});
      return answer(id, "left");
    }
    x.at = stage::exchanging;
    const auto& p = plan_of(x);
    exchange_facts facts;
    facts.token = ports.world->telegram.bots[p.bot].token;
    facts.method = p.method;
    facts.client_call = x.call + 1;
    if (troupe::telegram::method(troupe::telegram::find_method(p.method))
          .has(troupe::telegram::method_trait::produces_message))
      facts.charged = {p.chat, p.chat < 0};
    ports.world->upstream->exchange(
      x.held, std::move(facts), request_timeout,
      [me = weak_from_this(), id](outcome how, const net::api_answer&) {
        if (auto strong = me.lock())
          strong->ended(id, how);
      });
  }

  /// Not on the actor.
  void ended(call_id id, outcome how) {
    if (auto found = open.find(id); found != open.end())
      found->second.how = how;
    caf::anon_send(caf::actor_cast<caf::actor>(self), caf::update_atom_v, id);
  }

  void exchanged(call_id id) {
    auto found = open.find(id);
    if (found == open.end())
      return;
    auto& x = found->second;
    bool again =
      !x.left && (x.how.what != failure::none || x.how.status == 429 || x.how.status >= 500);
    if (!again) {
      self->send(x.bot, call_done{id, x.held, x.how});
      return answer(id, x.how.what == failure::none ? std::to_string(x.how.status)
                                                    : to_string(x.how.what));
    }
    x.failed = true;
    x.at = stage::waiting;
    auto left = std::max<caf::timespan>(x.wait_until - ports.world->now, 0ms);
    self->request(x.bot, caf::infinite, attempt_failed{id, x.held, x.how, left})
      .then([this, id](const grant& granted) { exchange(id, granted); },
            [this, id](const caf::error& why) { refused(id, why); });
  }

  void leave(std::uint64_t call) {
    auto named = by_call.find(call);
    auto found = named == by_call.end() ? open.end() : open.find(named->second);
    if (found == open.end())
      return;
    auto& x = found->second;
    x.left = true;
    if (x.at == stage::waiting)
      self->send(x.bot, call_cancelled{x.id});
    if (x.at == stage::exchanging)
      ports.world->upstream->give_up(x.held.session);
  }

  void answer(call_id id, std::string how) {
    auto ended = open.extract(id);
    auto& state = ports.world->calls[ended.mapped().call];
    by_call.erase(ended.mapped().call);
    ports.world->verdict.note(ended.mapped().call * 7 + how.size());
    if (++state.answers > 1)
      ports.world->verdict.fail("answers", "call " + std::to_string(ended.mapped().call + 1)
                                             + " was answered twice: " + state.how + ", " + how);
    state.how = std::move(how);
  }

  // -- getUpdates

  void pull(std::size_t at) {
    auto& world = *ports.world;
    auto& x = pullers[at];
    auto known = ports.names->find(world.what.bots[at].id);
    if (known && !known->actor && is_away(known->phase))
      if (auto shard = ports.found->bots_of(known->home)) {
        auto later = [this, at] { self->run_delayed(500ms, [this, at] { pull(at); }); };
        self->request(shard, caf::infinite, activate_bot{known->home, false})
          .then([this, at](const caf::strong_actor_ptr&) { pull(at); },
                [later](const caf::error&) { later(); });
        return;
      }
    if (!known || !known->actor) {
      self->run_delayed(500ms, [this, at] { pull(at); });
      return;
    }
    x.bot = known->actor;
    x.id = next_id++;
    x.asked = true;
    pull_request what;
    what.id = x.id;
    what.offset = world.telegram.bots[at].next_offset;
    what.timeout = std::chrono::seconds{world.luck.between(0, 30)};
    self->request(x.bot, caf::infinite, what)
      .then([this, at](const pull_answer& got) { pulled(at, got); },
            [this, at](const caf::error&) {
              pullers[at].asked = false;
              self->run_delayed(ports.world->some(300'000, 1'500'000), [this, at] { pull(at); });
            });
  }

  void pulled(std::size_t at, const pull_answer& got) {
    auto& world = *ports.world;
    auto& bot = world.telegram.bots[at];
    pullers[at].asked = false;
    // A client that falls over an answer asks for the same again.
    bool falls = world.luck.chance(50);
    std::int64_t last = 0;
    for (const auto& text : got.updates) {
      auto facts = troupe::telegram::read_update(text.str());
      auto known = facts ? world.telegram.find(facts->id) : std::nullopt;
      if (!known || known->first != at)
        return world.verdict.fail("updates", "a poll brought what never happened");
      if (facts->id <= last)
        world.verdict.fail("order", "a poll's updates are not in order");
      last = facts->id;
      if (falls)
        continue;
      receive(bot, known->second);
      bot.next_offset = std::max(bot.next_offset, last + 1);
    }
    self->run_delayed(world.some(1000, 800'000), [this, at] { pull(at); });
  }

  void receive(simulation::telegram::bot& bot, std::size_t update) {
    auto& world = *ports.world;
    auto& mine = bot.updates[update];
    world.verdict.note(update * 13);
    if (mine.delivered++ > 0)
      return;
    for (std::size_t i = 0; i < update; ++i) {
      const auto& x = bot.updates[i];
      bool over = x.delivered > 0
                  || (x.query && (world.now - x.born > query_lifetime || world.wall_offset != 0));
      if (x.chat == mine.chat && x.query == mine.query && !over)
        world.verdict.fail("order", "update " + std::to_string(update) + " of bot "
                                      + std::to_string(bot.how->id) + " was polled before "
                                      + std::to_string(i));
    }
  }

  /// The lane ends all connections; each reports its lease first.
  void died() {
    auto& world = *ports.world;
    auto gone = std::exchange(open, {});
    for (auto& [id, x] : gone) {
      if (x.at == stage::exchanging) {
        world.upstream->give_up(x.held.session);
        caf::anon_send(x.bot, call_done{id, x.held, outcome{failure::aborted}});
      } else if (x.at == stage::waiting) {
        caf::anon_send(x.bot, call_cancelled{id});
        caf::anon_send(x.bot, call_done{id, {}, outcome{failure::aborted}});
      }
      auto& state = world.calls[x.call];
      ++state.answers;
      state.how = "its gateway died";
    }
    for (auto& x : pullers)
      if (x.asked)
        caf::anon_send(x.bot, pull_cancel{x.id});
  }

  caf::event_based_actor* self;
  ingress_ports ports;
  std::map<call_id, connection> open;
  std::map<std::uint64_t, call_id> by_call;
  std::vector<puller> pullers;
  call_id next_id = 1;
};

} // namespace

caf::actor spawn_clients(caf::actor_system& sys, ingress_ports ports,
                         std::shared_ptr<gateway_view> view) {
  return sys.spawn([ports = std::move(ports), view](caf::event_based_actor* self) {
    auto state = std::make_shared<clients>(self, ports);
    std::weak_ptr<clients> weak = state;
    view->overdue = [weak](duration grace) {
      auto x = weak.lock();
      return x ? x->overdue(grace) : std::string{};
    };
    view->open = [weak] {
      auto x = weak.lock();
      return x ? x->connections() : std::size_t{0};
    };
    return state->behavior();
  });
}

} // namespace troupe::simulation

#pragma once
#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/update_services.hpp"
#include "tests/durable/registrar_fixture.hpp"

#include <set>

namespace troupe::durable_tests {

/// As `fake_shard`; its bots end when they are told to, unless they are held.
struct mortal_notes : shard_notes {
  std::map<bot_id, caf::actor> running;
  bool hold = false; ///< Bots that are told to end do not yet.
};

inline bots_actor::behavior_type mortal_shard(bots_actor::pointer self,
                                              std::shared_ptr<mortal_notes> notes) {
  return {
    [](get_report) { return supervision_report{}; },
    [=](const start_bot& x) -> caf::result<caf::strong_actor_ptr> {
      notes->starts.push_back(x);
      auto& bot = notes->running[x.bot];
      if (!bot)
        bot = caf::actor_cast<caf::actor>(self->system().spawn(fake_bot, notes));
      if (auto names = notes->names.lock())
        names->attach(x.token_hash, x.bot, caf::actor_cast<bot_actor>(bot), bot_phase::active);
      return caf::actor_cast<caf::strong_actor_ptr>(bot);
    },
    [=](stop_bot x) {
      notes->stops.push_back(x.bot);
      if (notes->hold)
        return;
      if (auto ended = notes->running.extract(x.bot); !ended.empty())
        caf::anon_send_exit(ended.mapped(), caf::exit_reason::user_shutdown);
    },
    [](const identity_proven&) {},
    [=](const bot_command& x) { notes->commands.push_back(x); },
    [=](const activate_bot&) -> caf::result<caf::strong_actor_ptr> {
      return caf::make_error(ec::unknown_bot);
    },
    [](const passivation_limits&) {},
  };
}

/// What webhooks heard.
struct intake_notes {
  std::vector<bot_served> served;
  std::vector<bot_id> gone;
};

inline webhooks_actor::behavior_type listening_webhooks(webhooks_actor::pointer,
                                                        std::shared_ptr<intake_notes> heard) {
  return {
    [=](const bot_served& x) { heard->served.push_back(x); },
    [=](const bot_gone& x) { heard->gone.push_back(x.bot); },
    [](const webhook_release&) {},
    [](const intake_check&) {},
    [](const code_received&) {},
    [](const intake_query&) { return intake_view{}; },
    [](const polls_query&) { return polls_list{}; },
    [](const get_report&) { return webhooks_report{}; },
  };
}

/// One of the nodes: all that its registrar sees, and what the others see of it.
struct node_under_test {
  std::string name;
  std::shared_ptr<mortal_notes> notes = std::make_shared<mortal_notes>();
  std::shared_ptr<governor_notes> heard = std::make_shared<governor_notes>();
  std::shared_ptr<intake_notes> intake = std::make_shared<intake_notes>();
  std::shared_ptr<directory> names = std::make_shared<directory>();
  std::shared_ptr<token_vault> vault = std::make_shared<token_vault>();
  std::shared_ptr<virtual_tokens> virtuals;
  std::shared_ptr<services> found = std::make_shared<services>();
  std::shared_ptr<cluster_view> view = std::make_shared<cluster_view>();
  bots_actor shard;
  rate_governor_actor governor;
  webhooks_actor webhooks;
  registrar_actor registrar;
  caf::actor desk;
  int passed = 0; ///< Requests of the other node's that the desk passed on.
};

/// Passes on as the real desk does: the answer is the registrar's, its sender who asked first.
inline caf::behavior passing_desk(caf::event_based_actor* self, node_under_test* of) {
  return {[=](peer_request& x) -> caf::result<caf::message> {
            ++of->passed;
            auto* element = self->current_mailbox_element();
            caf::actor_cast<caf::actor>(of->registrar)
              ->enqueue(
                caf::make_mailbox_element(element->sender, element->mid, {}, std::move(x.what)),
                self->context());
            element->mid.mark_as_answered();
            return caf::delegated<caf::message>{};
          },
          [=](const bot_changed& x) {
            of->view->note_change(shard_of(x.bot));
            return done{};
          }};
}

/// Two nodes on one store. `a` has the shards below the middle, `b` the others.
struct nodes_fixture : fixture {
  nodes_fixture() {
    start(on);
    a.name = "a";
    b.name = "b";
    for (shard_id i = 0; i < shard_count; ++i)
      owners_[i] = i < shard_count / 2 ? &a : &b;
    for (auto* x : {&a, &b})
      open(*x);
    point();
    for (auto* x : {&a, &b})
      spawn_registrar_of(*x);
  }
  ~nodes_fixture() override {
    for (auto* x : {&a, &b}) {
      for (auto& [bot, actor] : x->notes->running)
        caf::anon_send_exit(actor, caf::exit_reason::kill);
      x->notes->running.clear();
      for (auto& one :
           {caf::actor_cast<caf::actor>(x->registrar), caf::actor_cast<caf::actor>(x->shard),
            caf::actor_cast<caf::actor>(x->governor), caf::actor_cast<caf::actor>(x->webhooks),
            x->desk})
        if (one)
          caf::anon_send_exit(one, caf::exit_reason::kill);
      x->view->set_others({}, unowned_shards());
      x->found->bots[0].publish({});
      x->found->rate_governor.publish({});
      x->found->updates->webhooks.publish({});
    }
    sched.run();
  }

  void open(node_under_test& x) {
    x.virtuals = std::make_shared<virtual_tokens>([this](std::string_view token) {
      return crypto::keyed_hash(context->lookup, crypto::purpose::virtual_token, token);
    });
    x.notes->names = x.names;
    x.names->set_complete(false);
    x.shard = sys.spawn(mortal_shard, x.notes);
    x.governor = sys.spawn(fake_governor, x.heard);
    x.webhooks = sys.spawn(listening_webhooks, x.intake);
    x.desk = sys.spawn(passing_desk, &x);
    x.found->bots[0].publish(x.shard);
    x.found->rate_governor.publish(x.governor);
    x.found->updates = std::make_shared<update_services>();
    x.found->updates->webhooks.publish(x.webhooks);
    x.found->cluster = x.view;
    x.view->hold_until(std::chrono::steady_clock::time_point::max());
    for (shard_id i = 0; i < shard_count; ++i)
      x.view->set_fence(i, owners_[i] == &x ? 1 : 0);
  }
  void spawn_registrar_of(node_under_test& x) {
    registrar_ports ports;
    ports.store = [this] { return who; };
    ports.found = x.found;
    ports.names = x.names;
    ports.token_key = {1, 2};
    ports.vault = x.vault;
    ports.virtuals = x.virtuals;
    ports.upstream = api;
    auto* other = &x == &a ? &b : &a;
    ports.from_peer = [other](const caf::strong_actor_ptr& sender) {
      return sender && other->registrar
             && sender == caf::actor_cast<caf::strong_actor_ptr>(other->registrar);
    };
    x.registrar = spawn_registrar(sys, {}, ports);
    sched.run();
  }

  /// Both nodes know who has what.
  void point() {
    shard_owners of_b = unowned_shards(); // As `a` sees it.
    shard_owners of_a = unowned_shards();
    for (shard_id i = 0; i < shard_count; ++i) {
      if (owners_[i] == &b)
        of_b[i] = 0;
      if (owners_[i] == &a)
        of_a[i] = 0;
    }
    a.view->set_others({{"b", b.desk}}, of_b);
    b.view->set_others({{"a", a.desk}}, of_a);
  }
  /// Whose a shard is from now on, as all nodes see it; null: nobody's.
  void own(shard_id shard, node_under_test* by) {
    owners_[shard] = by;
    for (auto* x : {&a, &b})
      x->view->set_fence(shard, by == x ? ++revision : 0);
    point();
  }

  /// The answer to a request, as soon as there is one.
  template <class T>
  using answer = std::shared_ptr<std::optional<caf::expected<T>>>;
  template <class T, class Request>
  answer<T> begin(node_under_test& at, Request x) {
    auto into = std::make_shared<std::optional<caf::expected<T>>>();
    sys.spawn([into, to = at.registrar, x](caf::event_based_actor* me) {
      me->request(to, caf::infinite, x)
        .then([into](T& said) { *into = std::move(said); },
              [into](caf::error& why) { *into = std::move(why); });
    });
    sched.run();
    return into;
  }
  template <class T, class Request>
  caf::expected<T> ask_at(node_under_test& at, Request x) {
    auto answer = begin<T>(at, std::move(x));
    if (!*answer)
      FAIL("no answer");
    return std::move(**answer);
  }
  template <class T, class Request>
  T want_at(node_under_test& at, Request x) {
    auto result = ask_at<T>(at, std::move(x));
    if (!result)
      FAIL("refused: " << result.error());
    return std::move(*result);
  }
  template <class T, class Request>
  store_refusal refused_at(node_under_test& at, Request x) {
    auto result = ask_at<T>(at, std::move(x));
    if (result)
      return store_refusal::none;
    if (result.error().category() != caf::type_id_v<store_refusal>)
      FAIL("another error: " << result.error());
    return static_cast<store_refusal>(result.error().code());
  }
  /// The same for a request that waits for an owner of its bot until its patience is over.
  template <class T, class Request>
  caf::error refused_late_at(node_under_test& at, Request x) {
    auto answer = begin<T>(at, std::move(x));
    for (int i = 0; i < 410 && !*answer; ++i) {
      if (i == 390)
        CAF_CHECK(!*answer);
      advance_time(25ms);
      sched.run();
    }
    if (!*answer || **answer)
      FAIL("not refused");
    return (**answer).error();
  }
  /// The n-th bot, from 1, of a shard that the node has at first.
  bot_id bot_of(const node_under_test& x, int n = 1) const {
    for (bot_id bot = 100;; ++bot)
      if ((shard_of(bot) < shard_count / 2) == (&x == &a) && --n == 0)
        return bot;
  }
  std::string known(bot_id id, char fill = 'A') {
    auto token = token_of(id, fill);
    api->known[token] = {id, "bot_" + std::to_string(id)};
    return token;
  }
  bot_register registration(bot_id id, bool trusted = true) {
    bot_register x;
    x.by = ada();
    x.token.text = known(id);
    x.trusted = trusted;
    return x;
  }
  bool serves(const node_under_test& x, bot_id bot) {
    auto entry = x.names->find(token_hash({1, 2}, token_of(bot)), sched.clock().now());
    return entry && entry->home == bot && x.vault->find(bot) && x.found->updates->book.find(bot);
  }
  bool knows_nothing_of(const node_under_test& x, bot_id bot) {
    return !x.names->find(token_hash({1, 2}, token_of(bot)), sched.clock().now())
           && !x.names->find(bot) && !x.vault->find(bot) && !x.found->updates->book.find(bot)
           && !x.notes->running.contains(bot);
  }
  bot_row stored(bot_id bot) { return get<bot_batch>(bot_lookup{0, {bot}}).bots.at(0); }

  store::test_store on{store::backend::sqlite};
  std::shared_ptr<fake_api> api = std::make_shared<fake_api>();
  node_under_test a;
  node_under_test b;
  std::int64_t revision = 1;

private:
  std::array<node_under_test*, shard_count> owners_{};
};

} // namespace troupe::durable_tests

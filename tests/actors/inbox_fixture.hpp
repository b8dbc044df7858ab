#pragma once
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/settings.hpp"
#include "tests/actors/bot_fixture.hpp"

#include <algorithm>
#include <chrono>

/// A bot with updates: a journal and a delivery service that do as the test says. What the journal
/// has stored outlives it, as a store would.
namespace troupe::inbox_tests {

struct stored {
  std::map<std::int64_t, stored_update> pending;
  std::map<std::int64_t, std::vector<update_end>> ended;
  std::vector<update_fetch> fetches;
  std::uint32_t attached = 0;
  bool unavailable = false;
  int failing_fetches = 0; ///< The next ones.
  int empty_pages = 0;     ///< The same.

  std::size_t count(update_verdict how) const {
    return static_cast<std::size_t>(std::count_if(ended.begin(), ended.end(), [how](const auto& x) {
      return x.second.size() == 1 && x.second[0].how == how;
    }));
  }
};

inline update_page page_of(const stored& s, const update_fetch& x) {
  update_page page;
  page.pending = static_cast<std::uint32_t>(s.pending.size());
  std::size_t bytes = 0;
  for (bool urgent : {true, false})
    for (const auto& [seq, update] : s.pending) {
      if (x.by_id ? update.urgent != urgent || seq <= x.after // Ids are as seqs here.
                  : update.urgent != urgent || seq <= (urgent ? x.after_urgent : x.after))
        continue;
      bytes += update.body.str().size();
      if (page.updates.size() >= x.limit || (bytes > x.max_bytes && !page.updates.empty()))
        return page;
      page.updates.push_back(update);
    }
  return page;
}

/// It acknowledges ends before they are stored, a message earlier: killed in between it loses them.
inline journal_actor::behavior_type fake_journal(journal_actor::pointer self,
                                                 std::shared_ptr<stored> s) {
  auto known = std::make_shared<std::vector<update_end>>();
  auto down = [] { return caf::make_error(store_refusal::unavailable); };
  return {
    [](const update_append&) { return append_result{}; },
    [=](const update_fetch& x) -> caf::result<update_page> {
      s->fetches.push_back(x);
      if (s->unavailable || (s->failing_fetches > 0 && s->failing_fetches-- > 0))
        return down();
      auto left = *s;
      if (s->empty_pages > 0 && s->empty_pages-- > 0)
        return update_page{{}, static_cast<std::uint32_t>(left.pending.size())};
      for (const auto& end : *known)
        left.pending.erase(end.seq);
      return page_of(left, x);
    },
    [=](const update_ends& x) -> caf::result<void> {
      if (s->unavailable)
        return down();
      known->insert(known->end(), x.ends.begin(), x.ends.end());
      caf::anon_send(journal_actor{self}, journal_limits{});
      return caf::unit;
    },
    [](const update_confirm&) { return confirm_result{}; },
    [=](const journal_attach&) -> caf::result<pending_count> {
      if (s->unavailable)
        return down();
      ++s->attached;
      return pending_count{static_cast<std::uint32_t>(s->pending.size()), 0, 0, false};
    },
    [](const journal_forget&) {},
    [](const pending_query&) { return pending_count{}; },
    [](const dead_letter_query&) { return dead_letter_page{}; },
    [](const dead_letter_replay&) { return replay_result{}; },
    // A notification that no bot sends: the commit.
    [=](const journal_limits&) {
      for (const auto& end : std::exchange(*known, {}))
        if (s->pending.erase(end.seq) == 1)
          s->ended[end.seq].push_back(end);
    },
    [](const get_report&) { return journal_report{}; },
    [](const pasts_keep&) { return done{}; },
    [](const pasts_ask&) { return pasts_kept{}; },
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const box_filled&) {},
  };
}

/// What tenants got, and how they answer.
struct tenant {
  std::vector<std::pair<std::int64_t, std::int64_t>> got; ///< Chat and seq, read from the body.
  std::vector<relay_request> asked;
  std::size_t most_at_once = 0;
  bool holds = false; ///< Until the test says `answer_held`.
  std::function<relay_result(const relay_request&)> answers = [](const relay_request&) {
    return status(200);
  };

  static relay_result status(std::uint16_t code) {
    relay_result x;
    x.status = code;
    return x;
  }
  static relay_result end(relay_end how) {
    relay_result x;
    x.how = how;
    return x;
  }
};

inline delivery_actor::behavior_type fake_delivery(delivery_actor::pointer self,
                                                   std::shared_ptr<tenant> t) {
  struct waiting {
    relay_request what;
    caf::typed_response_promise<relay_result> promise;
  };
  auto held = std::make_shared<std::deque<waiting>>();
  return {
    [=](const relay_request& x) -> caf::result<relay_result> {
      t->asked.push_back(x);
      std::int64_t chat = 0;
      std::int64_t seq = 0;
      if (std::sscanf(x.body.str().c_str(), "%ld %ld", &chat, &seq) == 2)
        t->got.emplace_back(chat, seq);
      held->push_back({x, self->make_response_promise<relay_result>()});
      t->most_at_once = std::max(t->most_at_once, held->size());
      auto promise = held->back().promise;
      if (!t->holds) // A message later: what is killed in between was delivered and not answered.
        caf::anon_send(delivery_actor{self}, delivery_limits{});
      return promise;
    },
    // A notification that no bot sends steers the fake: answer the oldest.
    [=](const delivery_limits&) {
      if (held->empty())
        return;
      auto x = std::move(held->front());
      held->pop_front();
      x.promise.deliver(t->answers(x.what));
    },
    [](const get_report&) { return delivery_report{}; },
  };
}

struct fixture : test_coordinator_fixture<> {
  fixture() {
    found->updates = std::make_shared<update_services>();
    found->health.publish(sys.spawn(bot_tests::fake_health, calls));
    found->rate_governor.publish(sys.spawn(bot_tests::fake_governor, calls));
    found->session_pool.publish(sys.spawn(bot_tests::fake_pool, calls));
    updates().wall = [this] { return wall; };
    updates().meter = [this](updates::delivery_mode, update_step what, std::chrono::milliseconds) {
      ++steps[what];
    };
    start_journal();
    start_delivery();
    relay_to("https://tenant.test/");
    start_bot_again();
  }

  ~fixture() {
    for (const auto& x : {caf::actor_cast<caf::actor>(bot), caf::actor_cast<caf::actor>(journal),
                          caf::actor_cast<caf::actor>(delivery),
                          caf::actor_cast<caf::actor>(found->rate_governor.get()),
                          caf::actor_cast<caf::actor>(found->session_pool.get()),
                          caf::actor_cast<caf::actor>(found->health.get())})
      caf::anon_send_exit(x, caf::exit_reason::kill);
    if (registrar)
      caf::anon_send_exit(registrar, caf::exit_reason::kill);
    sched.run();
  }

  update_services& updates() { return *found->updates; }

  void start_journal() {
    journal = sys.spawn(fake_journal, store);
    updates().journal.publish(journal);
  }
  void start_delivery() {
    delivery = sys.spawn(fake_delivery, receiver);
    updates().delivery.publish(delivery);
  }
  void start_bot_again() {
    start_bot spec;
    spec.bot = 7;
    bot = spawn_bot(sys, spec, ++incarnation, found, config);
  }
  void tell_bot() { caf::anon_send(bot, updates_ready{7, 1}); }

  void relay_to(const std::string& url, std::uint32_t attempts = 3, std::uint32_t places = 40) {
    updates::update_settings how;
    how.delivery.mode = updates::delivery_mode::relay;
    how.delivery.relay.url = url;
    how.delivery.relay.attempts = attempts;
    how.delivery.relay.max_connections = places;
    updates().book.put(7, std::make_shared<const updates::update_settings>(how));
  }

  /// An update of this chat arrives and is stored; the bot is not told. @returns its seq
  std::int64_t store_update(std::int64_t chat, bool urgent = false,
                            std::int64_t expires_in = 86'400'000) {
    stored_update x;
    x.seq = ++last_seq;
    x.id = x.seq;
    x.urgent = urgent;
    x.key = {static_cast<std::uint8_t>(urgent), chat};
    x.received = wall;
    x.expires = x.received + expires_in;
    x.body = shared_text{std::to_string(chat + (urgent ? 1000 : 0)) + " " + std::to_string(x.seq)};
    store->pending[x.seq] = x;
    return x.seq;
  }

  /// getUpdates. @returns what became of it; not `over`: it waits
  struct poll_end {
    bool over = false;
    std::vector<std::string> got;
  };
  std::shared_ptr<poll_end> poll(std::int64_t offset = 0) {
    auto end = std::make_shared<poll_end>();
    sys.spawn([end, offset, to = bot](caf::event_based_actor* me) {
      me->request(to, caf::infinite, pull_request{1, offset, 100, std::chrono::seconds{50}, 0})
        .then(
          [end](const pull_answer& x) {
            end->over = true;
            for (const auto& one : x.updates)
              end->got.push_back(one.str());
          },
          [end](const caf::error&) { end->over = true; });
    });
    sched.run();
    return end;
  }
  void pull() {
    updates().book.put(7, std::make_shared<const updates::update_settings>());
    tell_bot();
    sched.run();
  }

  void answer_held() {
    caf::anon_send(delivery, delivery_limits{});
    sched.run();
  }

  void advance(caf::timespan by) {
    wall += std::chrono::duration_cast<std::chrono::milliseconds>(by).count();
    sched.advance_time(by);
    sched.run();
  }

  /// Lets time pass until nothing is pending. False: it does not end.
  bool finish() {
    sched.run();
    for (int i = 0; i < 2000 && !store->pending.empty(); ++i)
      advance(std::chrono::milliseconds{100});
    return store->pending.empty();
  }

  /// Whether each chat got its updates in order, none left out: only those that came before again.
  bool in_order() const {
    std::map<std::int64_t, std::int64_t> last;
    std::set<std::int64_t> seen;
    for (auto [chat, seq] : receiver->got) {
      if (!seen.insert(seq).second)
        continue;
      if (seq < last[chat])
        return false;
      last[chat] = seq;
    }
    return true;
  }

  std::shared_ptr<bot_tests::script> calls = std::make_shared<bot_tests::script>();
  std::shared_ptr<services> found = std::make_shared<services>(1);
  std::shared_ptr<live_bot_config> config = std::make_shared<live_bot_config>();
  std::shared_ptr<stored> store = std::make_shared<stored>();
  std::shared_ptr<tenant> receiver = std::make_shared<tenant>();
  std::map<update_step, int> steps;
  journal_actor journal;
  delivery_actor delivery;
  bot_actor bot;
  caf::actor registrar;
  std::uint32_t incarnation = 0;
  std::int64_t last_seq = 0;
  std::int64_t wall = 1'700'000'000'000; ///< Long past: nobody reads the system's.
};

} // namespace troupe::inbox_tests

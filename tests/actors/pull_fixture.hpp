#pragma once
#include "runtime/native/pool.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/settings.hpp"
#include "tests/actors/bot_fixture.hpp"

#include <algorithm>
#include <chrono>

/// A bot whose updates leave it by getUpdates, rules or a native handler, with a journal and a
/// registrar that do as the test says.
namespace troupe::pull_tests {

struct stored {
  std::map<std::int64_t, stored_update> by_seq;
  std::map<std::int64_t, update_end> ended; ///< By seq.
  std::vector<update_confirm> confirms;
  std::size_t fetches = 0;
  bool unavailable = false;
  bool holds = false; ///< Fetches are answered when `journal_limits` comes.

  void confirm_if(const std::function<bool(const stored_update&)>& is_it, std::uint32_t& n) {
    for (auto at = by_seq.begin(); at != by_seq.end();) {
      if (!is_it(at->second)) {
        ++at;
        continue;
      }
      ended[at->first] = {at->first, update_verdict::delivered, 1, {}};
      at = by_seq.erase(at);
      ++n;
    }
  }
};

inline confirm_result confirm(stored& s, const update_confirm& x) {
  confirm_result result;
  std::vector<std::int64_t> ids;
  for (const auto& [seq, u] : s.by_seq)
    ids.push_back(u.id);
  std::sort(ids.begin(), ids.end());
  auto below = x.below;
  if (x.keep_last > 0)
    below = ids.size() <= x.keep_last ? 0 : ids[ids.size() - x.keep_last];
  if (below > 0 && !ids.empty() && below > ids.back() + 1'000'000) // Far beyond the newest.
    below = 0;
  s.confirm_if(
    [&](const stored_update& u) {
      return x.all
             || (!x.seqs.empty() ? std::count(x.seqs.begin(), x.seqs.end(), u.seq) > 0
                                 : u.id < below);
    },
    result.confirmed);
  result.pending = static_cast<std::uint32_t>(s.by_seq.size());
  return result;
}

inline update_page page_of(const stored& s, const update_fetch& x) {
  update_page page;
  page.pending = static_cast<std::uint32_t>(s.by_seq.size());
  for (const auto& [seq, u] : s.by_seq)
    if (x.by_id ? std::pair{u.id, seq} > std::pair{x.after, x.after_seq} : seq > x.after)
      page.updates.push_back(u);
  if (x.by_id)
    std::sort(page.updates.begin(), page.updates.end(), [](const auto& a, const auto& b) {
      return std::pair{a.id, a.seq} < std::pair{b.id, b.seq};
    });
  if (page.updates.size() > x.limit)
    page.updates.resize(x.limit);
  return page;
}

inline journal_actor::behavior_type fake_journal(journal_actor::pointer self,
                                                 std::shared_ptr<stored> s) {
  struct waiting {
    update_page page; // What there was when it was asked.
    caf::typed_response_promise<update_page> promise;
  };
  auto held = std::make_shared<std::deque<waiting>>();
  auto down = [] { return caf::make_error(store_refusal::unavailable); };
  return {
    [](const update_append&) { return append_result{}; },
    [=](const update_fetch& x) -> caf::result<update_page> {
      ++s->fetches;
      if (s->unavailable)
        return down();
      if (s->holds) {
        held->push_back({page_of(*s, x), self->make_response_promise<update_page>()});
        return held->back().promise;
      }
      return page_of(*s, x);
    },
    [=](const update_ends& x) -> caf::result<void> {
      for (const auto& end : x.ends)
        if (s->by_seq.erase(end.seq) == 1)
          s->ended[end.seq] = end;
      return caf::unit;
    },
    [=](const update_confirm& x) -> caf::result<confirm_result> {
      s->confirms.push_back(x);
      if (s->unavailable)
        return down();
      return confirm(*s, x);
    },
    [=](const journal_attach&) {
      return pending_count{static_cast<std::uint32_t>(s->by_seq.size()), 0, 0, false};
    },
    [](const journal_forget&) {},
    [](const pending_query&) { return pending_count{}; },
    [](const dead_letter_query&) { return dead_letter_page{}; },
    [](const dead_letter_replay&) { return replay_result{}; },
    [=](const journal_limits&) {
      for (auto& x : std::exchange(*held, {}))
        x.promise.deliver(std::move(x.page));
    },
    [](const get_report&) { return journal_report{}; },
    [](const pasts_keep&) { return done{}; },
    [](const pasts_ask&) { return pasts_kept{}; },
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const box_filled&) {},
  };
}

struct fixture : bot_tests::fixture {
  fixture() {
    found->updates = std::make_shared<update_services>();
    journal = sys.spawn(fake_journal, store);
    updates().journal.publish(journal);
    registrar = sys.spawn([this](caf::event_based_actor* self) -> caf::behavior {
      return {[this, self](const method_call& x) -> caf::result<method_answer> {
                calls.push_back(x);
                if (calls.size() == unanswered)
                  return held = self->make_response_promise<method_answer>();
                if (answers.empty())
                  return method_answer{200, "application/json", R"({"ok":true,"result":{}})"};
                auto next = std::move(answers.front());
                answers.pop_front();
                return next;
              },
              [this](caf::ok_atom) {
                held.deliver(method_answer{200, "application/json", R"({"ok":true,"result":{}})"});
              }};
    });
    updates().registrar.publish(caf::actor_cast<registrar_actor>(registrar));
    updates().wall = [this] { return wall; };
    set({});
  }

  ~fixture() {
    caf::anon_send_exit(bot, caf::exit_reason::kill);
    caf::anon_send_exit(journal, caf::exit_reason::kill);
    caf::anon_send_exit(registrar, caf::exit_reason::kill);
    sched.run();
  }

  update_services& updates() { return *found->updates; }

  void set(const updates::delivery_settings& how) {
    auto entry = std::make_shared<updates::update_settings>();
    entry->delivery = how;
    updates().book.put(7, entry);
  }

  /// An update is stored. @returns its id
  std::int64_t store_update(std::int64_t chat, std::string body = {}, std::int64_t id = 0) {
    stored_update x;
    x.seq = ++last_seq;
    x.id = last_id = id != 0 ? id : last_id + 1;
    x.kind = 0;
    x.key = {0, chat};
    x.received = wall;
    x.expires = x.received + 86'400'000;
    x.body = shared_text{body.empty() ? std::to_string(x.id) : std::move(body)};
    store->by_seq[x.seq] = x;
    return x.id;
  }
  void tell_bot() { tell(updates_ready{7, 1}); }
  void advance(caf::timespan by) {
    wall += std::chrono::duration_cast<std::chrono::milliseconds>(by).count();
    bot_tests::fixture::advance(by);
  }

  // What a poll became: ids, or an error.
  struct poll_end {
    std::vector<std::int64_t> ids;
    caf::error why;
  };
  std::uint64_t poll(std::int64_t offset, caf::timespan timeout = caf::timespan{0},
                     std::int64_t worker = 0, std::uint32_t limit = 100) {
    pull_request what{++last_poll, offset, limit, timeout, worker};
    client->context(nullptr);
    client->request(bot, caf::infinite, what)
      .then(
        [this, id = what.id](const pull_answer& x) {
          auto& end = ends[id];
          for (const auto& u : x.updates)
            end.ids.push_back(std::atoll(u.str().c_str()));
        },
        [this, id = what.id](caf::error& why) { ends[id].why = std::move(why); });
    settle();
    return what.id;
  }
  /// Workers 1 and 2 are known, and nothing waits.
  void two_workers() {
    auto first = poll(0, std::chrono::seconds{1}, 1);
    auto second = poll(0, std::chrono::seconds{1}, 2);
    advance(std::chrono::seconds{2});
    CHECK(!open(first) && !open(second));
  }
  bool open(std::uint64_t id) const { return !ends.contains(id); }
  std::vector<std::int64_t> got(std::uint64_t id) {
    CHECK(!open(id));
    CHECK(!ends[id].why);
    return ends[id].ids;
  }

  std::shared_ptr<stored> store = std::make_shared<stored>();
  journal_actor journal;
  caf::actor registrar;
  std::vector<method_call> calls;
  std::deque<method_answer> answers;
  std::size_t unanswered = 0; ///< The call of this number, from 1, waits for caf::ok_atom.
  caf::typed_response_promise<method_answer> held;
  std::map<std::uint64_t, poll_end> ends;
  std::uint64_t last_poll = 0;
  std::int64_t wall = 1'700'000'000'000; ///< Long past: nobody reads the system's.
  std::int64_t last_seq = 0;
  std::int64_t last_id = 100;
};

} // namespace troupe::pull_tests

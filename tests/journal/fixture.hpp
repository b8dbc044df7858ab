#pragma once
#include "actors/journal/journal.hpp"
#include "runtime/telegram/updates.hpp"
#include "tests/durable/fixture.hpp"

#include <map>

namespace troupe::journal_tests {

using namespace std::literals;
using durable_tests::inline_sql;
using durable_tests::inline_sql_unknown;

/// How a request ended, if it has.
template <class T>
struct asked {
  std::optional<T> answer;
  caf::error why;

  [[nodiscard]] bool over() const { return answer.has_value() || static_cast<bool>(why); }
};

/// A bot's actor that notes what it is told.
struct told_bot {
  caf::actor actor;
  std::shared_ptr<std::vector<updates_ready>> told;
};

inline stored_update update_of(std::int64_t id, std::string_view kind = "message",
                               std::int64_t chat = 5) {
  stored_update x;
  x.id = id;
  x.kind = telegram::find_update_kind(kind);
  auto& about = telegram::update_kinds()[x.kind];
  x.urgent = about.urgent();
  bool of_chat = about.queue == telegram::queue_key_kind::chat;
  x.key = {of_chat ? std::uint8_t{0} : static_cast<std::uint8_t>(x.kind + 1), chat};
  x.body =
    shared_text{"{\"update_id\":" + std::to_string(id) + ",\"" + std::string{kind} + "\":{}}"};
  return x;
}

struct fixture : test_coordinator_fixture<> {
  void start(store::test_store& on) {
    stop();
    bots.clear();
    options = on.options();
    sql = std::make_shared<inline_sql>(on);
    spawn();
  }
  void spawn() {
    journal_ports ports;
    ports.sql = sql;
    ports.now = [this] { return wall; };
    ports.bot = [this](bot_id bot) {
      auto found = bots.find(bot);
      return found == bots.end() ? bot_actor{} : caf::actor_cast<bot_actor>(found->second.actor);
    };
    ports.stored = [this](bot_id, const stored_update& x) { newly.push_back(x.id); };
    ports.begun = [this] { ++begun; };
    ports.expired = [this](bot_id bot, std::int64_t received) { gone.emplace_back(bot, received); };
    journal = spawn_journal(sys, config, std::move(ports));
    sched.run();
  }
  /// As a crash does.
  void kill() {
    if (journal)
      caf::anon_send_exit(journal, caf::exit_reason::kill);
    sched.run();
    journal = journal_actor{};
  }
  void restart() {
    kill();
    spawn();
  }
  void stop() {
    kill();
    for (auto& [id, bot] : bots)
      caf::anon_send_exit(bot.actor, caf::exit_reason::kill);
    sched.run();
  }
  ~fixture() override { stop(); }

  told_bot& bot(bot_id id) {
    auto& one = bots[id];
    if (!one.actor) {
      one.told = std::make_shared<std::vector<updates_ready>>();
      one.actor = sys.spawn([told = one.told](caf::event_based_actor*) -> caf::behavior {
        return {[told](const updates_ready& x) { told->push_back(x); }};
      });
    }
    return one;
  }

  /// Asks from an actor of its own; the answer may come later.
  template <class T, class Request>
  std::shared_ptr<asked<T>> post(Request x) {
    auto out = std::make_shared<asked<T>>();
    sys.spawn([out, x = std::move(x), to = journal](caf::event_based_actor* me) {
      me->request(to, caf::infinite, x)
        .then([out](T& answer) { out->answer = std::move(answer); },
              [out](caf::error& why) { out->why = std::move(why); });
    });
    sched.run();
    return out;
  }
  template <class T, class Request>
  T get(Request x) {
    auto out = post<T>(std::move(x));
    if (!out->answer)
      FAIL("no answer: " << out->why);
    return *out->answer;
  }
  template <class T, class Request>
  caf::error why(Request x) {
    auto out = post<T>(std::move(x));
    if (!out->over())
      FAIL("no answer");
    return out->why;
  }

  append_result append(bot_id bot, std::vector<stored_update> what) {
    return get<append_result>(update_append{bot, std::move(what)});
  }
  append_result append_ids(bot_id bot, std::initializer_list<std::int64_t> ids) {
    std::vector<stored_update> what;
    for (auto id : ids)
      what.push_back(update_of(id));
    return append(bot, std::move(what));
  }
  update_page fetch(bot_id bot, std::uint32_t limit = 100) {
    update_fetch x;
    x.bot = bot;
    x.limit = limit;
    return get<update_page>(x);
  }
  static std::vector<std::int64_t> ids_of(const update_page& page) {
    std::vector<std::int64_t> result;
    for (auto& one : page.updates)
      result.push_back(one.id);
    return result;
  }
  std::vector<std::int64_t> waiting(bot_id bot) { return ids_of(fetch(bot, 1000)); }

  std::shared_ptr<bool> post_ends(bot_id bot, std::vector<update_end> ends) {
    auto done = std::make_shared<bool>(false);
    sys.spawn(
      [done, x = update_ends{bot, std::move(ends)}, to = journal](caf::event_based_actor* me) {
        me->request(to, caf::infinite, x).then([done] { *done = true; }, [](caf::error&) {});
      });
    sched.run();
    return done;
  }
  std::shared_ptr<bool> post_delivered(bot_id bot, std::vector<std::int64_t> seqs) {
    std::vector<update_end> ends;
    for (auto seq : seqs)
      ends.push_back({seq, update_verdict::delivered, 1, {}});
    return post_ends(bot, std::move(ends));
  }
  /// Ends the first `count` that wait.
  void end(bot_id bot, std::uint32_t count, update_verdict how = update_verdict::delivered,
           std::string reason = {}) {
    std::vector<update_end> ends;
    for (auto& one : fetch(bot, count).updates)
      ends.push_back({one.seq, how, 3, reason});
    CHECK(*post_ends(bot, std::move(ends)));
  }
  pending_count pending(bot_id bot) { return get<pending_count>(pending_query{bot}); }
  journal_report report() { return get<journal_report>(get_report{}); }
  std::vector<dead_letter_row> dead(bot_id bot) {
    return get<dead_letter_page>(dead_letter_query{bot}).rows;
  }
  void pass(caf::timespan how_long) {
    wall += std::chrono::duration_cast<std::chrono::milliseconds>(how_long).count();
    sched.advance_time(how_long);
    sched.run();
  }
  /// Few, so that merging has its part in everything.
  static journal_config few_fresh_marks() {
    journal_config result;
    result.fresh_marks = 6;
    return result;
  }
  /// What is in a table, counted behind the journal's back.
  std::int64_t rows(const std::string& table) {
    store::database db{options};
    return db.read([&](store::unit& u) {
      return u.value<std::int64_t>("SELECT COUNT(*) FROM " + table).value();
    });
  }

  /// Marks that were not merged, and merged ones in rows with such.
  std::int64_t fresh_marks() {
    store::database db{options};
    return db.read([&](store::unit& u) {
      return u
        .value<std::int64_t>("SELECT COALESCE(SUM(LENGTH(marks) - "
                             "LENGTH(REPLACE(marks, ';', ''))), 0) FROM fresh_marks")
        .value();
    });
  }

  store::database_options options;
  std::shared_ptr<inline_sql> sql;
  journal_config config = few_fresh_marks();
  journal_actor journal;
  std::map<bot_id, told_bot> bots;
  std::vector<std::int64_t> newly;
  int begun = 0; ///< So often a journal began with what is stored.
  std::vector<std::pair<bot_id, std::int64_t>> gone; ///< Lifetimes that were over: when they came.
  std::int64_t wall = 1'700'000'000'000;
};

/// Runs a scenario's steps on an empty store of each kind.
template <class F>
void on_both(fixture& f, F&& scenario) {
  store::on_both([&](store::test_store& on) {
    f.start(on);
    scenario();
    f.stop();
  });
}

} // namespace troupe::journal_tests

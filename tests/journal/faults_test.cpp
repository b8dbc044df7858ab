#define CAF_SUITE journal_faults
#include "tests/journal/fixture.hpp"

#include "actors/store/sql_threads.hpp"
#include "runtime/store/updates.hpp"

#include <thread>

namespace troupe::faults_suite {

using namespace troupe::journal_tests;

using ids = std::vector<std::int64_t>;

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a store that fails: appends are refused with its reason, and nothing of them is there") {
  on_both(*this, [&] {
    append_ids(1, {1});
    for (auto fault :
         {store_refusal::unavailable, store_refusal::disk_full, store_refusal::failed}) {
      sql->faults = {fault};
      CHECK(why<append_result>(update_append{1, {update_of(2)}}) == fault);
      CHECK_EQ(pending(1).pending, 1u);
    }
    CHECK_EQ(report().refused, 3u);
    CHECK_EQ(append_ids(1, {2}).stored, 1u);
    CHECK_EQ(waiting(1), (ids{1, 2}));
  });
}

SCENARIO("ends that could not be stored are kept until they can be") {
  on_both(*this, [&] {
    append_ids(1, {1, 2, 3});
    auto page = fetch(1);
    sql->faults = {store_refusal::disk_full, store_refusal::unavailable};
    auto done = post_delivered(1, {page.updates[0].seq});
    auto dead_too = post_ends(1, {{page.updates[1].seq, update_verdict::dead, 2, "no"}});
    CHECK(!*done);
    CHECK_EQ(pending(1).pending, 1u);
    CHECK_EQ(rows("updates"), 3);
    pass(config.retry_pause);
    CHECK(!*done);
    pass(config.retry_pause);
    CHECK(*done);
    CHECK(*dead_too);
    CHECK_EQ(rows("updates"), 1);
    CHECK_EQ(dead(1).size(), 1u);
    CHECK_EQ(report().delivered, 1u);
    restart();
    CHECK_EQ(waiting(1), ids{3});
  });
}

SCENARIO("an append takes ends along that wait for another try") {
  on_both(*this, [&] {
    append_ids(1, {1});
    sql->faults = {store_refusal::disk_full};
    auto done = post_delivered(1, {fetch(1).updates.front().seq});
    CHECK(!*done);
    CHECK_EQ(append_ids(1, {2}).stored, 1u);
    CHECK(*done);
    CHECK_EQ(rows("updates"), 1);
  });
}

SCENARIO("a confirmation that could not be stored says so, and is not lost") {
  on_both(*this, [&] {
    append_ids(1, {1, 2});
    sql->faults = {store_refusal::unavailable};
    CHECK(why<confirm_result>(update_confirm{1, 2, 0, false, {}}) == store_refusal::unavailable);
    CHECK_EQ(waiting(1), ids{2});
    pass(config.retry_pause);
    restart();
    CHECK_EQ(waiting(1), ids{2});
  });
}

SCENARIO("while the store stands only so many updates wait for it, and so many bytes") {
  auto sized = [](std::int64_t id, std::size_t bytes) {
    auto x = update_of(id);
    x.body = shared_text{std::string(bytes, 'x')};
    return x;
  };
  auto push = [&](bot_id bot, std::int64_t id, std::size_t bytes) {
    return post<append_result>(update_append{bot, {sized(id, bytes)}});
  };
  config.max_waiting = 3;
  config.max_waiting_bytes = 1000;
  on_both(*this, [&] {
    for (auto loading : {false, true}) { // What comes while all is being read waits for that first.
      sql->hold = true;
      if (loading)
        restart();
      auto first = push(1, 1 + (loading ? 10 : 0), 100);
      CHECK(!push(2, 1 + (loading ? 10 : 0), 500)->over());
      CHECK(push(3, 1, 401)->why == store_refusal::unavailable);
      auto third = push(3, 2 + (loading ? 10 : 0), 400);
      CHECK(!third->over());
      CHECK(push(1, 2, 0)->why == store_refusal::unavailable); // One more.
      sql->hold = false;
      sql->release();
      sched.run();
      CHECK(first->answer);
      CHECK(third->answer);
    }
    CHECK(push(1, 3, 1001)->answer); // It would never fit.
    for (std::int64_t id = 4; id < 20; ++id)
      CHECK(push(1, id, 900)->answer); // Nothing of those before is counted any more.
    sql->faults.push_back(store_refusal::disk_full);
    CHECK(push(1, 50, 900)->why == store_refusal::disk_full);
    CHECK(push(1, 50, 900)->answer);
    CHECK_EQ(pending(1).pending, 20u);
    CHECK_EQ(pending(2).pending, 2u);
    CHECK_EQ(pending(3).pending, 2u);
  });
}

SCENARIO("an outcome that is unknown: memory is read anew, and a repetition is known") {
  for (auto stored : {false, true})
    on_both(*this, [&] {
      append_ids(1, {1, 2});
      auto first = fetch(1).updates.front().seq;
      sql->unknown = stored ? inline_sql_unknown::stored : inline_sql_unknown::lost;
      sql->hold = true;
      auto before = post<append_result>(update_append{2, {update_of(5)}});
      auto ended = post_delivered(1, {first});
      auto taken = post<append_result>(update_append{1, {update_of(3)}});
      sql->hold = false;
      sql->release();
      sched.run();
      CHECK(before->why == store_refusal::outcome_unknown);
      CHECK(taken->answer.has_value());
      CHECK(*ended);
      CHECK_EQ(append_ids(2, {5}).duplicates, stored ? 1u : 0u);
      CHECK_EQ(waiting(2), ids{5});
      CHECK_EQ(waiting(1), (ids{2, 3}));
      CHECK_EQ(report().pending, 3u);
      restart();
      CHECK_EQ(waiting(2), ids{5});
      CHECK_EQ(waiting(1), (ids{2, 3}));
    });
}

SCENARIO("it is said when something may have been stored of which nobody was told") {
  on_both(*this, [&] {
    append_ids(1, {1});
    auto times = begun;
    newly.clear();
    sql->unknown = inline_sql_unknown::stored;
    CHECK(post<append_result>(update_append{1, {update_of(2)}})->why
          == store_refusal::outcome_unknown);
    CHECK_EQ(append_ids(1, {2}).duplicates, 1u);
    CHECK(newly.empty()); // It waits, and was never told.
    CHECK_EQ(begun, times + 1);
    restart();
    CHECK_EQ(begun, times + 2);
  });
}

SCENARIO("ends whose outcome is unknown do not come back") {
  for (auto stored : {false, true})
    on_both(*this, [&] {
      append_ids(1, {1, 2, 3});
      auto page = fetch(1);
      sql->unknown = stored ? inline_sql_unknown::stored : inline_sql_unknown::lost;
      auto done = post_ends(1, {{page.updates[0].seq, update_verdict::delivered, 1, {}},
                                {page.updates[1].seq, update_verdict::dead, 1, "no"}});
      CHECK(*done);
      CHECK_EQ(waiting(1), ids{3});
      CHECK_EQ(dead(1).size(), 1u);
      CHECK_EQ(pending(1).dead, 1u);
      CHECK_EQ(rows("updates"), 1);
    });
}

SCENARIO("a text that cannot be stored is refused alone") {
  on_both(*this, [&] {
    auto broken = update_of(2);
    broken.body = shared_text{"{\"update_id\":2,\"text\":\"\xff\"}"};
    CHECK(why<append_result>(update_append{1, {update_of(1), broken}}) == store_refusal::invalid);
    CHECK_EQ(pending(1).pending, 0u);
    CHECK_EQ(append_ids(1, {1}).stored, 1u);
  });
}

SCENARIO("a reason that cannot be stored keeps nothing out") {
  on_both(*this, [&] {
    append_ids(1, {1});
    end(1, 1, update_verdict::dead, "the receiver said \xff");
    REQUIRE_EQ(dead(1).size(), 1u);
    CHECK(!dead(1).front().reason.empty());
    CHECK_EQ(append_ids(1, {2}).stored, 1u);
  });
}

SCENARIO("a replay that cannot be stored is refused alone") {
  on_both(*this, [&] {
    append_ids(1, {1});
    end(1, 1, update_verdict::dead, "no");
    sql->hold = true;
    auto busy = post<append_result>(update_append{9, {update_of(1)}});
    dead_letter_replay x;
    x.by.name = "\xff";
    x.bot = 1;
    auto replayed = post<replay_result>(x);
    auto taken = post<append_result>(update_append{1, {update_of(2)}});
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(replayed->why == store_refusal::invalid);
    pass(config.retry_pause);
    CHECK_EQ(taken->answer.value().stored, 1u);
    CHECK_EQ(dead(1).size(), 1u);
    CHECK_EQ(pending(1).dead, 1u);
  });
}

SCENARIO("one that breaks a rule of the store does not keep the others out") {
  on_both(*this, [&] {
    sql->hold = true;
    auto first = post<append_result>(update_append{1, {update_of(1)}});
    auto second = post<append_result>(update_append{1, {update_of(2)}});
    auto third = post<append_result>(update_append{2, {update_of(3)}});
    sql->release(); // The first.
    sched.run();
    auto commits = sql->commits();
    // Both together, then the second one alone.
    sql->faults = {store_refusal::invalid, store_refusal::invalid};
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK(first->answer.has_value());
    CHECK(second->why == store_refusal::invalid);
    CHECK_EQ(third->answer.value().stored, 1u);
    CHECK_EQ(append_ids(1, {2, 4}).stored, 2u);
    CHECK_EQ(waiting(1), (ids{1, 2, 4}));
    CHECK_EQ(sql->commits() - commits, 2u);
    // Afterwards many go together again.
    sql->hold = true;
    post<append_result>(update_append{1, {update_of(10)}});
    post<append_result>(update_append{1, {update_of(11)}});
    post<append_result>(update_append{2, {update_of(12)}});
    sql->hold = false;
    sql->release();
    sched.run();
    CHECK_EQ(sql->commits() - commits, 4u);
  });
}

SCENARIO(
  "a journal killed at each step loses nothing it acknowledged and repeats nothing it ended") {
  on_both(*this, [&] {
    for (auto written : {false, true}) {
      bot_id id = written ? 2 : 1;
      append_ids(id, {1, 2});
      auto seq = fetch(id).updates.front().seq;
      sql->hold = true;
      auto taken = post<append_result>(update_append{id, {update_of(3)}});
      auto ended = post_delivered(id, {seq});
      if (written) { // On disk, and nobody was told.
        kill();
        sql->hold = false;
        sql->release();
      } else { // The store's thread comes to it after the successor has begun.
        kill();
        sql->hold = false;
      }
      CHECK(taken->why);
      CHECK(!*ended);
      spawn();
      // Neither was acknowledged: both are done again.
      CHECK_EQ(append_ids(id, {3}).duplicates, 1u);
      CHECK(*post_delivered(id, {seq}));
      CHECK_EQ(waiting(id), (ids{2, 3}));
      restart();
      CHECK_EQ(waiting(id), (ids{2, 3}));
    }
  });
}

END_FIXTURE_SCOPE()

namespace {

struct real_fixture {
  real_fixture() : sys(cfg) {}

  void start(const store::test_store& on, std::chrono::milliseconds patience,
             std::uint32_t max_pages = 0) {
    auto db = on.open();
    storage::sql_threads_config threads;
    threads.database = on.options();
    threads.database.max_pages = max_pages;
    threads.database.patience = patience;
    sql = storage::make_sql_threads(std::move(threads));
    journal_config config;
    config.retry_pause = 50ms;
    journal_ports ports;
    ports.sql = sql;
    journal = spawn_journal(sys, config, std::move(ports));
  }
  ~real_fixture() {
    caf::anon_send_exit(journal, caf::exit_reason::kill);
    journal = journal_actor{};
  }

  template <class T, class Request>
  caf::expected<T> ask(Request x) {
    caf::expected<T> result{caf::error{}};
    caf::scoped_actor self{sys};
    self->request(journal, 60s, std::move(x))
      .receive([&](T& y) { result = std::move(y); }, [&](caf::error& e) { result = std::move(e); });
    return result;
  }

  caf::actor_system_config cfg;
  caf::actor_system sys;
  std::shared_ptr<storage::sql_port> sql;
  journal_actor journal;
};

} // namespace

SCENARIO(
  "a database that goes away is said to be unavailable, and everything goes on when it is back") {
  store::test_store on{store::backend::postgresql};
  real_fixture f;
  f.start(on, 300ms);
  std::set<std::int64_t> acknowledged;
  std::size_t refused = 0;
  std::int64_t next = 0;
  auto some = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto id = ++next;
      auto answer = f.ask<append_result>(update_append{1, {update_of(id)}});
      if (answer)
        acknowledged.insert(id);
      else
        ++refused;
    }
  };
  some(20);
  CHECK_EQ(acknowledged.size(), 20u);
  store::server().stop(SIGQUIT);
  some(2);
  CHECK_EQ(refused, 2u);
  store::server().start();
  auto until = std::chrono::steady_clock::now() + 60s;
  while (acknowledged.size() < 40 && std::chrono::steady_clock::now() < until)
    some(1);
  CHECK_EQ(acknowledged.size(), 40u);
  update_fetch x;
  x.bot = 1;
  x.limit = 1000;
  auto page = f.ask<update_page>(x);
  REQUIRE(page);
  std::set<std::int64_t> there;
  for (auto& one : page->updates)
    CHECK(there.insert(one.id).second);
  for (auto id : acknowledged)
    CHECK(there.contains(id));
}

SCENARIO("a store that may not grow refuses updates, keeps what it acknowledged, and takes new "
         "ones for ended ones") {
  store::test_store on{store::backend::sqlite};
  real_fixture f;
  f.start(on, 1s, 200);
  auto append = [&](std::int64_t id) {
    auto x = update_of(id);
    x.body = shared_text{std::string(2000, 'x')};
    return f.ask<append_result>(update_append{1, {x}});
  };
  std::int64_t stored = 0;
  auto answer = append(1);
  for (; answer && stored < 10'000; answer = append(stored + 1))
    ++stored;
  REQUIRE(!answer);
  CHECK(answer.error() == store_refusal::disk_full);
  CHECK(stored > 10);
  auto fetch = [&] {
    update_fetch x;
    x.bot = 1;
    x.limit = 1000;
    x.max_bytes = 100'000'000;
    auto page = f.ask<update_page>(x);
    REQUIRE(page);
    return std::move(*page);
  };
  auto page = fetch();
  CHECK_EQ(static_cast<std::int64_t>(page.updates.size()), stored);
  CHECK_EQ(page.pending, page.updates.size());
  auto half = static_cast<std::uint32_t>(stored / 2);
  auto confirmed = f.ask<confirm_result>(update_confirm{1, half + 1, 0, false, {}});
  REQUIRE(confirmed);
  CHECK_EQ(confirmed->confirmed, half);
  CHECK(append(stored + 1));
  CHECK_EQ(static_cast<std::int64_t>(fetch().updates.size()), stored - half + 1);
}

SCENARIO(
  "a process killed at any instruction loses no acknowledged update and gives no number twice") {
  store::test_store on{store::backend::sqlite};
  on.open();
  std::set<std::int64_t> acknowledged;
  std::map<std::int64_t, std::int64_t> numbers;
  for (int round = 0; round < 4; ++round) {
    int pipe[2];
    REQUIRE_EQ(::pipe(pipe), 0);
    auto pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      try {
        real_fixture f;
        f.start(on, 10s);
        for (std::int64_t id = round * 100'000 + 1;; ++id) {
          std::vector<stored_update> what;
          what.push_back(update_of(id));
          if (!f.ask<append_result>(update_append{1 + id % 3, std::move(what)}))
            ::_exit(1);
          if (::write(pipe[1], &id, sizeof id) != sizeof id)
            ::_exit(0);
        }
      } catch (const std::exception&) {
        ::_exit(1);
      }
    }
    ::close(pipe[1]);
    std::int64_t id = 0;
    for (int i = 0; i < 20 + 7 * round; ++i) {
      REQUIRE_EQ(::read(pipe[0], &id, sizeof id), static_cast<ssize_t>(sizeof id));
      acknowledged.insert(id);
    }
    ::kill(pid, SIGKILL);
    while (::read(pipe[0], &id, sizeof id) == sizeof id)
      acknowledged.insert(id);
    ::close(pipe[0]);
    ::waitpid(pid, nullptr, 0);
    auto db = on.connect();
    std::set<std::int64_t> there;
    for (auto& one : db.read([](store::unit& u) { return store::load_pending(u, 0, 100'000); })) {
      CHECK(there.insert(one.update_id).second);
      CHECK_EQ(numbers.emplace(one.seq, one.update_id).first->second, one.update_id);
    }
    for (auto one : acknowledged)
      CHECK(there.contains(one));
    CHECK(there.size() <= acknowledged.size() + static_cast<std::size_t>(round) + 1);
  }
}

} // namespace troupe::faults_suite

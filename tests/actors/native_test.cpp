#define CAF_SUITE actors_native
#include "tests/actors/pull_fixture.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace troupe::native_suite {

using namespace troupe::pull_tests;
using namespace std::literals;

namespace {

/// What the handlers of these tests do; set by each test.
struct handlers {
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void(const native::update&, native::context&)> what;
  std::atomic<int> made{0};
  std::atomic<int> seen{0};
  std::atomic<std::size_t> parallel{1};
  std::map<std::string, int> begun; ///< By body; with the mutex.
  std::map<std::string, int> running;
  int most_at_once = 0; ///< Of one update.
  bool open = false;

  static handlers& the() {
    static handlers one;
    return one;
  }
  void wait_until_open() {
    std::unique_lock lock{mutex};
    changed.wait(lock, [this] { return open; });
  }
  void let_go() {
    std::lock_guard lock{mutex};
    open = true;
    changed.notify_all();
  }
};

struct tested final : native::handler {
  void on(const native::update& what, native::context& with) override {
    auto& all = handlers::the();
    ++all.seen;
    std::string body{what.body};
    {
      std::lock_guard lock{all.mutex};
      ++all.begun[body];
      all.most_at_once = std::max(all.most_at_once, ++all.running[body]);
    }
    auto leave = [&](auto*) {
      std::lock_guard lock{all.mutex};
      --all.running[body];
    };
    std::unique_ptr<tested, decltype(leave)> on_leaving{this, leave};
    all.what(what, with);
  }
  std::size_t parallel() const noexcept override { return handlers::the().parallel; }
};

void know_handler() {
  if (!native::find_handler("tested"))
    native::register_handler("tested", [](bot_id) {
      ++handlers::the().made;
      return std::make_unique<tested>();
    });
}

struct native_fixture : fixture {
  native_fixture() {
    know_handler();
    all.made = all.seen = 0;
    all.open = false;
    all.parallel = 1;
    all.begun.clear();
    all.running.clear();
    all.most_at_once = 0;
    updates().native = std::make_shared<native::pool>(native::pool_limits{2, 100ms, 4});
    updates::delivery_settings how;
    how.mode = updates::delivery_mode::native;
    how.handler = "tested";
    set(how);
  }
  ~native_fixture() { all.let_go(); }

  /// Handlers run on real threads: lets the actors run until it is so.
  template <class F>
  bool until(F is_so) {
    auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!is_so() && std::chrono::steady_clock::now() < give_up) {
      advance(100ms); // What pauses goes on.
      std::this_thread::yield();
    }
    return is_so();
  }
  /// With threads and time enough for handlers that wait for the test.
  void have_time() {
    updates().native = std::make_shared<native::pool>(native::pool_limits{3, 30s, 4});
  }
  int times_begun(const std::string& body) {
    std::lock_guard lock{all.mutex};
    return all.begun[body];
  }
  bool until_ended(std::int64_t seq) {
    return until([&] { return store->ended.contains(seq); });
  }
  /// The reason that the bot ended with. Then it is started again, as its supervisor would.
  caf::error end_of_bot() {
    caf::error why;
    bool ended = false;
    auto addr = caf::actor_cast<caf::abstract_actor*>(bot);
    addr->attach_functor([&](const caf::error& x) {
      why = x;
      ended = true;
    });
    CHECK(until([&] { return ended; }));
    start_bot spec;
    spec.bot = 7;
    bot = spawn(spec, 2);
    return why;
  }

  handlers& all = handlers::the();
};

} // namespace

BEGIN_FIXTURE_SCOPE(native_fixture)

SCENARIO("a handler gets updates and makes calls as the node's own") {
  std::string kind;
  all.what = [&kind](const native::update& what, native::context& with) {
    kind = what.kind;
    with.send("sendMessage", "{}");
  };
  store_update(1);
  tell_bot();
  CHECK(until_ended(1));
  CHECK(store->ended[1].how == update_verdict::delivered);
  CHECK_EQ(kind, "message");
  CHECK_EQ(calls.size(), 1u);
  CHECK(calls.at(0).own);
}

SCENARIO("a handler that throws ends its bot, which gets the update again; the third time is the last") {
  all.what = [](const native::update& what, native::context&) {
    if (what.body == "101")
      throw std::runtime_error{"no such shop"};
  };
  store_update(1);
  store_update(2);
  for (int life = 1; life <= 3; ++life) {
    tell_bot();
    auto why = end_of_bot();
    CHECK_EQ(why.category(), caf::type_id_v<caf::sec>);
  }
  tell_bot();
  CHECK(until_ended(1));
  CHECK(store->ended[1].how == update_verdict::dead);
  CHECK_EQ(store->ended[1].reason, "the handler tested threw: no such shop");
  CHECK(until_ended(2));
  CHECK(store->ended[2].how == update_verdict::delivered);
  CHECK_EQ(all.made, 4); // One for each life.
}

SCENARIO("a handler that does not return has its bot quarantined") {
  all.what = [this](const native::update&, native::context&) { all.wait_until_open(); };
  store_update(1);
  tell_bot();
  CHECK_EQ(end_of_bot(), ec::quarantined);
  CHECK_EQ(updates().native->report().written_off, 1u);
  all.let_go();
  CHECK(until([&] { return updates().native->report().written_off == 0; }));
  all.what = [](const native::update&, native::context&) {};
  tell_bot();
  CHECK(until_ended(1));
  CHECK(store->ended[1].how == update_verdict::delivered);
}

SCENARIO("a handler that throws has only its own update repeated") {
  have_time();
  all.parallel = 3;
  all.what = [this](const native::update& what, native::context&) {
    if (what.body == "102" && what.attempt == 1)
      throw std::runtime_error{"no such shop"};
    if (what.body == "101")
      all.wait_until_open();
  };
  store_update(1);
  store_update(2);
  tell_bot();
  CHECK(until([&] { return times_begun("102") == 1 && times_begun("101") == 1; }));
  store_update(3); // The bot is about to end: its successor's.
  tell_bot();
  bool ended = false;
  caf::actor_cast<caf::abstract_actor*>(bot)->attach_functor(
    [&](const caf::error&) { ended = true; });
  CHECK(until([&] { return updates().native->crashes_of(7, 2).attempts == 1; }));
  for (int i = 0; i < 100; ++i)
    advance(10ms);
  CHECK(!ended);
  all.let_go();
  CHECK_EQ(end_of_bot().category(), caf::type_id_v<caf::sec>);
  CHECK(store->ended.contains(1));
  tell_bot();
  CHECK(until_ended(2));
  CHECK(until_ended(3));
  CHECK_EQ(times_begun("101"), 1);
  CHECK_EQ(times_begun("102"), 2);
  CHECK_EQ(all.most_at_once, 1);
}

SCENARIO("a handler whose bot ends goes on, and its update is not given out a second time") {
  have_time();
  all.what = [this](const native::update&, native::context&) { all.wait_until_open(); };
  store_update(1);
  tell_bot();
  CHECK(until([&] { return times_begun("101") == 1; }));
  caf::anon_send_exit(bot, caf::exit_reason::kill);
  CHECK_EQ(end_of_bot(), caf::exit_reason::kill);
  tell_bot();
  for (int i = 0; i < 100; ++i)
    advance(100ms);
  CHECK_EQ(times_begun("101"), 1);
  all.let_go();
  CHECK(until_ended(1));
  CHECK(store->ended[1].how == update_verdict::delivered);
  CHECK_EQ(times_begun("101"), 1);
}

SCENARIO("a handler that does not come back is not begun again; at last its update is a dead letter") {
  all.what = [this](const native::update&, native::context&) { all.wait_until_open(); };
  store_update(1);
  tell_bot();
  CHECK_EQ(end_of_bot(), ec::quarantined);
  tell_bot();
  for (int i = 0; i < 6000 && !store->ended.contains(1); ++i)
    advance(100ms);
  REQUIRE(store->ended.contains(1));
  CHECK(store->ended[1].how == update_verdict::dead);
  CHECK_EQ(times_begun("101"), 1);
}

SCENARIO("without the handler that a bot names its updates wait") {
  updates::delivery_settings how;
  how.mode = updates::delivery_mode::native;
  how.handler = "unknown";
  set(how);
  store_update(1);
  tell_bot();
  advance(1s);
  CHECK(store->ended.empty());
  how.handler = "tested";
  all.what = [](const native::update&, native::context&) {};
  set(how);
  tell_bot();
  CHECK(until_ended(1));
}

END_FIXTURE_SCOPE()

} // namespace troupe::native_suite

#define CAF_SUITE timer_clock
#include "runtime/system/config.hpp"
#include "runtime/system/timer_clock.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/test/bdd_dsl.hpp>

#include <atomic>
#include <future>
#include <random>

namespace troupe::timer_clock_suite {

using namespace std::literals;
using troupe::system::timer_clock;

namespace {

using clock_type = timer_clock::clock_type;

/// Runs once all of `count` are reported, or says after five seconds that it did not happen.
struct countdown {
  explicit countdown(std::size_t count) : left(count) {}
  void one() {
    if (--left == 0)
      done.set_value();
  }
  bool wait() { return done.get_future().wait_for(5s) == std::future_status::ready; }
  std::atomic<std::size_t> left;
  std::promise<void> done;
};

} // namespace

SCENARIO("timers run in the order of their times, never early") {
  GIVEN("a clock and 10,000 timers set in random order") {
    timer_clock clock;
    std::mt19937 random{7};
    auto start = clock_type::now();
    constexpr std::size_t count = 10'000;
    std::vector<clock_type::time_point> ran; // By the clock's thread only.
    bool early = false;
    countdown all{count};
    for (std::size_t i = 0; i < count; ++i) {
      auto due = start + std::chrono::microseconds{random() % 200'000};
      clock.schedule(due, caf::make_action([&, due] {
                       early = early || clock_type::now() < due;
                       ran.push_back(due);
                       all.one();
                     }));
    }
    WHEN("it runs") {
      clock.start();
      THEN("each runs once, in order, none early") {
        CHECK(all.wait());
        clock.stop();
        CHECK_EQ(ran.size(), count);
        CHECK(std::is_sorted(ran.begin(), ran.end()));
        CHECK(!early);
        CHECK_EQ(clock.size(), 0u);
      }
    }
  }
}

SCENARIO("a timer that becomes the first wakes the clock") {
  GIVEN("a running clock that waits for an hour") {
    timer_clock clock;
    clock.start();
    clock.schedule(clock_type::now() + 1h, caf::make_action([] {}));
    WHEN("a timer for now is set, by several threads at once") {
      countdown all{4};
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i)
        threads.emplace_back(
          [&] { clock.schedule(clock_type::now(), caf::make_action([&] { all.one(); })); });
      for (auto& x : threads)
        x.join();
      THEN("all run now") {
        CHECK(all.wait());
        CHECK_EQ(clock.size(), 1u);
      }
    }
  }
}

SCENARIO("disposed timers do not run and do not pile up") {
  GIVEN("a clock with a timer that is due tomorrow") {
    timer_clock clock;
    auto held = std::make_shared<int>(1);
    int ran = 0;
    clock.schedule(clock_type::now() + 24h, caf::make_action([&, held] { ++ran; }));
    WHEN("100,000 more are set and disposed one by one") {
      std::size_t most = 0;
      for (int i = 0; i < 100'000; ++i) {
        auto timer =
          clock.schedule(clock_type::now() + 24h, caf::make_action([&, held] { ++ran; }));
        timer.dispose();
        most = std::max(most, clock.size());
      }
      THEN("it never holds more than a bounded number of them") {
        CHECK(most <= 1024u);
        CHECK_EQ(ran, 0);
      }
    }
    WHEN("it is stopped") {
      clock.stop();
      THEN("it lets go of what the timers hold, and takes no more") {
        CHECK_EQ(held.use_count(), 1);
        clock.schedule(clock_type::now(), caf::make_action([held] {}));
        CHECK_EQ(held.use_count(), 1);
      }
    }
  }
}

SCENARIO("actors are served by it") {
  GIVEN("an actor system with Troupe's settings") {
    troupe::system::config config{1};
    caf::actor_system sys{config};
    caf::scoped_actor self{sys};
    WHEN("an actor asks to be called later, and another request times out") {
      auto start = clock_type::now();
      auto worker = sys.spawn([](caf::event_based_actor* me) -> caf::behavior {
        return {[me](int x) {
          auto promise = me->make_response_promise<int>();
          me->run_delayed(20ms, [promise, x]() mutable { promise.deliver(x + 1); });
          return promise;
        }};
      });
      auto kept = std::make_shared<std::vector<caf::typed_response_promise<int>>>();
      auto deaf = sys.spawn([kept](caf::event_based_actor* me) -> caf::behavior {
        return {[me, kept](int) {
          kept->push_back(me->make_response_promise<int>());
          return kept->back();
        }};
      });
      THEN("both happen in time") {
        int answer = 0;
        self->request(worker, 5s, 41).receive([&](int x) { answer = x; }, [](const caf::error&) {});
        CHECK_EQ(answer, 42);
        CHECK(clock_type::now() - start >= 20ms);
        caf::error why;
        self->request(deaf, 20ms, 1).receive([](int) {}, [&](const caf::error& x) { why = x; });
        CHECK_EQ(why, caf::sec::request_timeout);
        kept->clear();
        self->send_exit(worker, caf::exit_reason::user_shutdown);
        self->send_exit(deaf, caf::exit_reason::user_shutdown);
      }
    }
  }
}

SCENARIO("periodic timers call their actor until they are disposed") {
  GIVEN("an actor system with Troupe's settings and a counting actor") {
    troupe::system::config config{1};
    caf::actor_system sys{config};
    auto five = std::make_shared<countdown>(5);
    auto idle = sys.spawn([](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; });
    WHEN("it is called every millisecond") {
      auto& ours = dynamic_cast<timer_clock&>(sys.clock());
      caf::actor_clock& clock = ours;
      auto count = [five] {
        if (five->left > 0)
          five->one();
      };
      auto timer = clock.schedule_periodically(
        clock_type::now(), caf::make_action(count, caf::action::state::invoked),
        caf::actor_cast<caf::strong_actor_ptr>(idle), 1ms, caf::actor_clock::stall_policy::skip);
      THEN("it is called again and again, and no more when the timer is disposed") {
        CHECK(five->wait());
        timer.dispose();
        auto deadline = clock_type::now() + 5s;
        while (ours.size() > 0 && clock_type::now() < deadline)
          std::this_thread::yield();
        CHECK_EQ(ours.size(), 0u);
        caf::anon_send_exit(idle, caf::exit_reason::user_shutdown);
      }
    }
  }
}

} // namespace troupe::timer_clock_suite

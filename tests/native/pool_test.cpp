#define CAF_SUITE native_pool
#include "runtime/native/echo.hpp"
#include "runtime/native/pool.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>

namespace troupe::pool_suite {

using namespace troupe::native;
using namespace std::literals;

namespace {

constexpr auto patience = 10s;

/// A door that handlers wait at until the test opens it.
class door {
public:
  void open() {
    std::lock_guard lock{mutex_};
    open_ = true;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock{mutex_};
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  bool await(int arrived) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, patience, [&] { return arrived_ >= arrived; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int arrived_ = 0;
};

struct handler_of final : handler {
  explicit handler_of(std::function<void(const update&, context&)> f) : f(std::move(f)) {}
  void on(const update& what, context& with) override { f(what, with); }
  std::function<void(const update&, context&)> f;
};

/// Makes orders, and knows their ends and calls.
class desk {
public:
  std::future<run_result> order(pool& to, std::function<void(const update&, context&)> f,
                                std::string body = "{}") {
    auto promise = std::make_shared<std::promise<run_result>>();
    auto result = promise->get_future();
    run_order x;
    x.bot = 7;
    x.name = "tested";
    x.to = std::make_shared<handler_of>(std::move(f));
    x.kind = "message";
    x.body = shared_text{std::move(body)};
    x.call = [this](std::string method, std::string json, std::function<void(answer)> then) {
      std::lock_guard lock{mutex_};
      calls_.push_back(method + " " + json);
      open_.push_back(std::move(then));
      changed_.notify_all();
    };
    x.done = [promise](run_result how) { promise->set_value(std::move(how)); };
    to.run(std::move(x));
    return result;
  }
  std::string await_call(std::size_t n) {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, patience, [&] { return calls_.size() > n; });
    return calls_.at(n);
  }
  void answer_first(answer x) {
    std::function<void(answer)> then;
    {
      std::lock_guard lock{mutex_};
      then = std::move(open_.front());
      open_.pop_front();
    }
    then(std::move(x));
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> calls_;
  std::deque<std::function<void(answer)>> open_;
};

run_result end_of(std::future<run_result>& x) {
  if (x.wait_for(patience) != std::future_status::ready)
    return {run_end::refused, "no end"};
  return x.get();
}

/// Names can be given once in a process.
void know_echo() {
  if (!find_handler("echo"))
    register_echo();
}

bool is_open(std::future<run_result>& x) {
  return x.wait_for(0s) != std::future_status::ready;
}

} // namespace

SCENARIO("an update is done with when its handler returned and its calls are made") {
  desk d;
  pool p{{1, 10s, 1}};
  auto end = d.order(
    p, [](const update&, context& with) { with.reply("hi \"you\""); },
    R"({"update_id":1,"message":{"chat":{"id":5},"text":"x"}})");
  CHECK_EQ(d.await_call(0), R"(sendMessage {"chat_id":5,"text":"hi \"you\""})");
  auto next = d.order(p, [](const update&, context&) {});
  CHECK(end_of(next).how == run_end::done); // The thread is free.
  CHECK(is_open(end));
  d.answer_first({true, 200, "{}", {}});
  CHECK(end_of(end).how == run_end::done);
}

SCENARIO("a handler gets the answers of its calls") {
  desk d;
  pool p{{1, 10s, 1}};
  std::string heard;
  auto end = d.order(p, [&heard](const update&, context& with) {
    auto x = with.call("getMe", "{}");
    heard = x.get().body;
  });
  CHECK_EQ(d.await_call(0), "getMe {}");
  d.answer_first({true, 200, "me", {}});
  CHECK(end_of(end).how == run_end::done);
  CHECK_EQ(heard, "me");
}

SCENARIO("what a handler throws is its order's end") {
  desk d;
  pool p{{1, 10s, 1}};
  auto end = d.order(p, [](const update&, context&) { throw std::runtime_error{"no such shop"}; });
  auto how = end_of(end);
  CHECK(how.how == run_end::threw);
  CHECK_EQ(how.reason, "no such shop");
  auto odd = d.order(p, [](const update&, context&) { throw 7; });
  CHECK(end_of(odd).how == run_end::threw);
  auto next = d.order(p, [](const update&, context&) {});
  CHECK(end_of(next).how == run_end::done);
  CHECK_EQ(p.report().throws, 2u);
}

SCENARIO("a thread that does not come back is written off and another takes its place") {
  desk d;
  door stuck;
  std::promise<bool> refused;
  std::vector<std::size_t> told;
  pool p{{1, 30ms, 2, [&told](const pool_counts& x) { told.push_back(x.written_off); }}};
  auto end = d.order(p, [&](const update&, context& with) {
    stuck.pass();
    try {
      with.reply("late");
      refused.set_value(false);
    } catch (const overrun&) {
      refused.set_value(true);
      throw;
    }
  });
  CHECK(end_of(end).how == run_end::overran);
  auto next = d.order(p, [](const update&, context&) {});
  CHECK(end_of(next).how == run_end::done);
  CHECK_EQ(p.report().written_off, 1u);
  CHECK_EQ(p.report().overruns, 1u);
  stuck.open();
  CHECK(refused.get_future().get()); // Whatever it does now is not done.
  auto give_up = std::chrono::steady_clock::now() + patience;
  while (p.report().written_off > 0 && std::chrono::steady_clock::now() < give_up)
    std::this_thread::yield();
  CHECK_EQ(told, (std::vector<std::size_t>{1, 0}));
}

SCENARIO("when too many threads were written off no handler runs until one comes back") {
  desk d;
  door stuck;
  pool p{{1, 30ms, 2}};
  auto hang = [&](const update&, context&) { stuck.pass(); };
  auto first = d.order(p, hang);
  auto second = d.order(p, hang);
  auto third = d.order(p, hang); // Waits for a thread, and nobody comes.
  CHECK(end_of(first).how == run_end::overran);
  CHECK(end_of(second).how == run_end::overran);
  CHECK(end_of(third).how == run_end::refused);
  auto fourth = d.order(p, hang);
  CHECK(end_of(fourth).how == run_end::refused);
  CHECK_EQ(p.report().threads, 0u);
  stuck.open();
  auto give_up = std::chrono::steady_clock::now() + patience;
  while (p.report().written_off > 0 && std::chrono::steady_clock::now() < give_up)
    std::this_thread::yield();
  auto fifth = d.order(p, [](const update&, context&) {});
  CHECK(end_of(fifth).how == run_end::done);
}

SCENARIO("a pool that ends refuses what waits, and leaves behind who does not return") {
  desk d;
  auto stuck = std::make_shared<door>();
  std::future<run_result> waits;
  {
    pool p{{1, 50ms, 4}};
    auto runs = d.order(p, [stuck](const update&, context&) { stuck->pass(); });
    CHECK(stuck->await(1));
    waits = d.order(p, [](const update&, context&) {});
  }
  auto how = end_of(waits);
  CHECK(
    (how.how == run_end::refused || how.how == run_end::done)); // Before or after the write-off.
  stuck->open();
}

SCENARIO("who does not return before its pool ends can ask nothing any more") {
  desk d;
  auto stuck = std::make_shared<door>();
  std::promise<bool> refused;
  std::future<run_result> end;
  {
    pool p{{1, 50ms, 4}};
    end = d.order(p, [stuck, &refused](const update&, context& with) {
      stuck->pass();
      try {
        with.send("sendMessage", "{}");
        refused.set_value(false);
      } catch (const overrun&) {
        refused.set_value(true);
      }
    });
    CHECK(stuck->await(1));
  }
  CHECK(end_of(end).how == run_end::overran);
  stuck->open();
  CHECK(refused.get_future().get());
}

SCENARIO("attempts that ended their bot are remembered for it, a bounded number of them") {
  pool p{{1, 10s, 1}};
  CHECK_EQ(p.note_crash(7, 1, "first"), 1u);
  CHECK_EQ(p.note_crash(7, 1, "second"), 2u);
  CHECK_EQ(p.crashes_of(7, 1).reason, "second");
  CHECK_EQ(p.crashes_of(8, 1).attempts, 0u);
  p.forget(7, 1);
  CHECK_EQ(p.crashes_of(7, 1).attempts, 0u);
  for (std::int64_t seq = 1; seq <= 20'000; ++seq)
    p.note_crash(9, seq, {});
  CHECK_EQ(p.crashes_of(9, 1).attempts, 0u);
  CHECK_EQ(p.crashes_of(9, 20'000).attempts, 1u);
}

SCENARIO("handlers are known by name") {
  know_echo();
  CHECK(find_handler("echo") != nullptr);
  CHECK(find_handler("other") == nullptr);
  CHECK_THROWS_AS(register_echo(), std::invalid_argument);
  CHECK_THROWS_AS(register_handler("No Name", [](bot_id) { return nullptr; }),
                  std::invalid_argument);
  auto names = handler_names();
  CHECK_EQ(names.size(), 1u);
}

SCENARIO("the example says what it is told") {
  know_echo();
  desk d;
  pool p{{1, 10s, 1}};
  std::shared_ptr<handler> echo = find_handler("echo")(7);
  auto say = [&](std::string body) {
    return d.order(
      p, [echo](const update& what, context& with) { echo->on(what, with); }, body);
  };
  auto end = say(R"({"update_id":1,"message":{"chat":{"id":5},"text":"hello"}})");
  CHECK_EQ(d.await_call(0), R"(sendMessage {"chat_id":5,"text":"hello"})");
  d.answer_first({true, 200, "{}", {}});
  CHECK(end_of(end).how == run_end::done);
  auto photo = say(R"({"update_id":1,"message":{"chat":{"id":5},"photo":[]}})");
  CHECK(end_of(photo).how == run_end::done);
}

} // namespace troupe::pool_suite

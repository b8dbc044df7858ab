#include "runtime/native/pool.hpp"

#include "runtime/log/log.hpp"
#include "runtime/native/job.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <set>
#include <system_error>
#include <thread>

namespace troupe::native {

using clock = context::clock;

struct pool::core : std::enable_shared_from_this<core> {
  using update_key = std::pair<bot_id, std::int64_t>; ///< With the journal's number.

  struct worker {
    std::shared_ptr<job> now; ///< Null: waits for work.
    clock::time_point deadline{};
    bool written_off = false;
  };

  explicit core(pool_limits limits) : limits(limits) {}

  /// With the lock held.
  void start_worker() {
    auto one = std::make_shared<worker>();
    workers.push_back(one);
    try {
      std::thread{[self = shared_from_this(), one] { self->work(*one); }}.detach();
    } catch (const std::system_error& x) { // Later, when another one ends.
      workers.pop_back();
      log::event(log::level::error, "native.no-thread", "troupe.native",
                 {{"reason", std::string_view{x.what()}}}, "A thread could not be started.");
    }
  }

  void work(worker& me) {
    std::unique_lock lock{mutex};
    while (true) {
      work_came.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty())
        break;
      auto mine = me.now = std::move(queue.front());
      queue.pop_front();
      me.deadline = clock::now() + limits.timeout;
      watch.notify_all();
      lock.unlock();
      bool threw = mine->run(me.deadline);
      lock.lock();
      me.now.reset(); // From here on it cannot be written off.
      bool off = me.written_off;
      if (off)
        running.erase({mine->order().bot, mine->order().seq});
      else
        ++(threw ? report.throws : report.handled);
      lock.unlock();
      mine.reset(); // Its handler may end with it: not under the lock.
      lock.lock();
      if (off)
        break;
    }
    leave(me);
  }

  /// With the lock held.
  void leave(worker& me) {
    if (me.written_off && --report.written_off < limits.max_written_off && !stopping)
      refill();
    if (me.written_off)
      tell_changed();
    auto it = std::find_if(workers.begin(), workers.end(), [&](auto& x) { return x.get() == &me; });
    workers.erase(it);
    watch.notify_all();
  }

  /// With the lock held.
  void tell_changed() const {
    if (limits.changed && !stopping)
      limits.changed(report);
  }

  /// With the lock held: as many threads as there shall be.
  void refill() {
    auto able = static_cast<std::size_t>(
      std::count_if(workers.begin(), workers.end(), [](auto& x) { return !x->written_off; }));
    for (; able < limits.threads; ++able)
      start_worker();
  }

  void watch_over() {
    std::unique_lock lock{mutex};
    while (!stopping) {
      auto due = clock::time_point::max();
      for (const auto& x : workers)
        if (x->now && !x->written_off)
          due = std::min(due, x->deadline);
      if (due == clock::time_point::max())
        watch.wait(lock);
      else
        watch.wait_until(lock, due);
      auto late = write_off();
      if (late.empty())
        continue;
      tell_changed();
      lock.unlock();
      tell(late);
      late.clear();
      lock.lock();
    }
  }

  /// With the lock held. @returns those to be told, and those that nobody will run
  struct verdicts {
    std::vector<std::shared_ptr<job>> overran;
    std::deque<std::shared_ptr<job>> refused;
    [[nodiscard]] bool empty() const { return overran.empty() && refused.empty(); }
    void clear() { *this = {}; }
  };
  verdicts write_off() {
    verdicts result;
    auto now = clock::now();
    for (const auto& x : workers) {
      if (!x->now || x->written_off || x->deadline > now)
        continue;
      x->written_off = true;
      ++report.written_off;
      ++report.overruns;
      result.overran.push_back(x->now);
    }
    if (report.written_off >= limits.max_written_off)
      queue.swap(result.refused);
    else if (!result.overran.empty())
      refill();
    return result;
  }

  static void tell(const verdicts& all) {
    for (const auto& x : all.overran) {
      log::event(log::level::error, "alert.raised", "troupe.native",
                 {{"bot", x->order().bot},
                  {"alert", std::string_view{"native.overrun"}},
                  {"handler", x->order().name}},
                 "A handler did not return in time; its thread is written off.");
      x->write_off();
    }
    for (const auto& x : all.refused)
      x->end({run_end::refused, "too many handlers did not return"});
  }

  /// An order ended. One that overran its time runs until its thread comes back.
  void note_end(const update_key& of, run_end how) {
    std::lock_guard lock{mutex};
    if (how == run_end::overran)
      return;
    running.erase(of);
    if (how != run_end::done || !handled.insert(of).second)
      return;
    handled_order.push_back(of);
    if (handled_order.size() > most_remembered) {
      handled.erase(handled_order.front());
      handled_order.pop_front();
    }
  }

  static constexpr std::size_t most_remembered = 10'000;

  pool_limits limits;
  std::map<update_key, crashes> crashed;
  std::deque<update_key> crash_order; ///< Of those not forgotten, and some more.
  std::set<update_key> running;
  std::set<update_key> handled;
  std::deque<update_key> handled_order; ///< The same.
  mutable std::mutex mutex;
  std::condition_variable work_came;
  std::condition_variable watch; ///< A handler was begun, or a worker has ended.
  std::deque<std::shared_ptr<job>> queue;
  std::vector<std::shared_ptr<worker>> workers;
  pool_counts report;
  bool stopping = false;
  std::thread watchdog;
};

pool::pool(pool_limits limits) : core_(std::make_shared<core>(limits)) {
  std::lock_guard lock{core_->mutex};
  core_->refill();
  core_->watchdog = std::thread{[c = core_.get()] { c->watch_over(); }};
}

pool::~pool() {
  std::deque<std::shared_ptr<job>> waiting;
  std::vector<std::shared_ptr<job>> late;
  {
    std::unique_lock lock{core_->mutex};
    core_->stopping = true;
    waiting.swap(core_->queue);
    core_->work_came.notify_all();
    core_->watch.notify_all();
    core_->watch.wait_until(lock, clock::now() + core_->limits.timeout, [this] {
      return std::all_of(core_->workers.begin(), core_->workers.end(),
                         [](auto& x) { return x->written_off; });
    });
    for (const auto& x : core_->workers)
      if (x->now && !std::exchange(x->written_off, true)) {
        ++core_->report.written_off;
        late.push_back(x->now);
      }
  }
  for (const auto& x : late) // Whatever they ask from now on is not done: nobody is there for it.
    x->write_off();
  late.clear();
  core_->watchdog.join();
  for (const auto& x : waiting)
    x->end({run_end::refused, "the node stops"});
}

void pool::run(run_order order) {
  core::update_key of{order.bot, order.seq};
  order.done = [weak = std::weak_ptr{core_}, of, done = std::move(order.done)](run_result how) {
    if (auto known = weak.lock())
      known->note_end(of, how.how);
    done(std::move(how));
  };
  auto one = std::make_shared<job>(std::move(order));
  {
    std::lock_guard lock{core_->mutex};
    if (!core_->stopping && core_->report.written_off < core_->limits.max_written_off) {
      core_->running.insert(of);
      core_->queue.push_back(std::move(one));
      core_->work_came.notify_one();
    }
  }
  if (one)
    one->end({run_end::refused, "too many handlers did not return"});
}

std::uint32_t pool::note_crash(bot_id bot, std::int64_t seq, std::string reason) {
  std::lock_guard lock{core_->mutex};
  std::pair of{bot, seq};
  auto [at, is_new] = core_->crashed.try_emplace(of);
  if (is_new)
    core_->crash_order.push_back(of);
  at->second.reason = std::move(reason);
  auto result = ++at->second.attempts;
  if (core_->crash_order.size() > core::most_remembered) {
    core_->crashed.erase(core_->crash_order.front());
    core_->crash_order.pop_front();
  }
  return result;
}

pool::crashes pool::crashes_of(bot_id bot, std::int64_t seq) const {
  std::lock_guard lock{core_->mutex};
  auto found = core_->crashed.find({bot, seq});
  return found == core_->crashed.end() ? crashes{} : found->second;
}

void pool::forget(bot_id bot, std::int64_t seq) {
  std::lock_guard lock{core_->mutex};
  core_->crashed.erase({bot, seq});
  core_->handled.erase({bot, seq});
}

pool::standing pool::standing_of(bot_id bot, std::int64_t seq) const {
  std::lock_guard lock{core_->mutex};
  if (core_->running.contains({bot, seq}))
    return standing::runs;
  return core_->handled.contains({bot, seq}) ? standing::handled : standing::unknown;
}

pool_counts pool::report() const {
  std::lock_guard lock{core_->mutex};
  auto result = core_->report;
  result.queued = core_->queue.size();
  result.threads = static_cast<std::size_t>(std::count_if(
    core_->workers.begin(), core_->workers.end(), [](auto& x) { return !x->written_off; }));
  return result;
}

} // namespace troupe::native

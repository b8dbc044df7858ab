#include "runtime/system/timer_clock.hpp"

#include <algorithm>

#include <pthread.h>

namespace troupe::system {

timer_clock::~timer_clock() {
  stop();
}

caf::disposable timer_clock::schedule_periodically(time_point first_run, caf::action what,
                                                   duration_type period) {
  auto handle = what.as_disposable();
  std::vector<entry> garbage; // Destroyed without the lock: an actor may end with its last timer.
  bool first = false;
  {
    std::lock_guard guard{mutex_};
    if (stopped_)
      return handle;
    if (heap_.size() >= look_at_)
      garbage = take_disposed();
    first = heap_.empty() || first_run < heap_.front().due;
    push({first_run, ++turns_, std::move(what), period});
  }
  if (first)
    changed_.notify_one();
  return handle;
}

void timer_clock::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "timers");
    run();
  });
}

void timer_clock::stop() {
  std::vector<entry> garbage;
  {
    std::lock_guard guard{mutex_};
    stopped_ = true;
    garbage.swap(heap_);
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

std::size_t timer_clock::size() const {
  std::lock_guard guard{mutex_};
  return heap_.size();
}

void timer_clock::run() {
  std::unique_lock guard{mutex_};
  while (!stopped_) {
    if (heap_.empty()) {
      changed_.wait(guard);
      continue;
    }
    auto now = clock_type::now();
    if (auto first = heap_.front().due; first > now) {
      changed_.wait_until(guard, first);
      continue;
    }
    auto due = take_due(now);
    guard.unlock();
    std::vector<entry> again;
    for (auto& x : due) {
      bool ran = x.what.run() == caf::action::transition::success;
      if (!ran || x.period.count() <= 0)
        continue;
      // Periods that passed meanwhile are skipped.
      x.due += x.period * (1 + std::max(now - x.due, duration_type::zero()) / x.period);
      again.push_back(std::move(x));
    }
    due.clear();
    guard.lock();
    for (auto& x : again)
      if (!stopped_)
        push(std::move(x));
    if (stopped_)
      guard.unlock(); // What is left of `again` is destroyed without the lock.
    if (!guard.owns_lock())
      return;
  }
}

void timer_clock::push(entry x) {
  heap_.push_back(std::move(x));
  std::push_heap(heap_.begin(), heap_.end());
}

std::vector<timer_clock::entry> timer_clock::take_due(time_point now) {
  std::vector<entry> due;
  while (!heap_.empty() && heap_.front().due <= now) {
    std::pop_heap(heap_.begin(), heap_.end());
    due.push_back(std::move(heap_.back()));
    heap_.pop_back();
  }
  return due;
}

std::vector<timer_clock::entry> timer_clock::take_disposed() {
  auto pos =
    std::partition(heap_.begin(), heap_.end(), [](const entry& x) { return !x.what.disposed(); });
  std::vector<entry> disposed{std::make_move_iterator(pos), std::make_move_iterator(heap_.end())};
  heap_.erase(pos, heap_.end());
  std::make_heap(heap_.begin(), heap_.end());
  look_at_ = std::max<std::size_t>(1024, 2 * heap_.size());
  return disposed;
}

} // namespace troupe::system

#pragma once
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace troupe::net {

template <class T>
class task;

/// Resumes a suspended coroutine, once, as a completion handler of an asynchronous operation. If it
/// is destroyed instead (its io_context ended), so are the coroutine and all that await it.
class resumption {
public:
  resumption() = default;
  resumption(std::coroutine_handle<> next, std::coroutine_handle<> root) noexcept
    : next_(next), root_(root) {}
  resumption(resumption&& other) noexcept
    : next_(std::exchange(other.next_, {})), root_(std::exchange(other.root_, {})) {}
  resumption& operator=(resumption&& other) noexcept {
    std::swap(next_, other.next_);
    std::swap(root_, other.root_);
    return *this;
  }
  ~resumption() {
    if (root_)
      root_.destroy();
  }

  explicit operator bool() const noexcept { return static_cast<bool>(next_); }

  void operator()() {
    root_ = {};
    std::exchange(next_, {}).resume();
  }

private:
  std::coroutine_handle<> next_;
  std::coroutine_handle<> root_;
};

namespace detail {

struct promise_base {
  std::coroutine_handle<> awaiting; ///< Who goes on when this one ends.
  std::coroutine_handle<> root; ///< The outermost of those who await; destroying it destroys all.
  std::exception_ptr failure;

  std::suspend_always initial_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }

  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> ended) const noexcept {
      return ended.promise().awaiting;
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }
};

template <class T>
struct promise : promise_base {
  std::optional<T> result;
  task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& x) {
    result.emplace(std::forward<U>(x));
  }
  T take() {
    if (failure)
      std::rethrow_exception(failure);
    return std::move(*result);
  }
};

template <>
struct promise<void> : promise_base {
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (failure)
      std::rethrow_exception(failure);
  }
};

} // namespace detail

/// A coroutine that runs when it is awaited, on the thread that awaits it, and costs one frame:
/// what the data path is made of. Asio's `awaitable` takes a frame more per operation and a list of
/// frames to step through; elsewhere, where that does not matter, it is what we use. Await each
/// task once; destroying a suspended one destroys what it awaits.
template <class T>
class [[nodiscard]] task {
public:
  using promise_type = detail::promise<T>;
  using handle = std::coroutine_handle<promise_type>;

  explicit task(handle h) noexcept : handle_(h) {}
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  task& operator=(task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~task() {
    if (handle_)
      handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> by) noexcept {
    handle_.promise().awaiting = by;
    handle_.promise().root = by.promise().root;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

private:
  handle handle_;
};

namespace detail {

template <class T>
task<T> promise<T>::get_return_object() noexcept {
  return task<T>{std::coroutine_handle<promise<T>>::from_promise(*this)};
}

inline task<void> promise<void>::get_return_object() noexcept {
  return task<void>{std::coroutine_handle<promise<void>>::from_promise(*this)};
}

/// The outermost coroutine: runs at once, belongs to nobody, ends by itself.
struct detached {
  struct promise_type {
    std::coroutine_handle<> root = std::coroutine_handle<promise_type>::from_promise(*this);
    detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

template <class F>
detached run_detached(task<void> what, F ended) {
  std::exception_ptr failure;
  try {
    co_await what;
  } catch (...) {
    failure = std::current_exception();
  }
  ended(failure);
}

} // namespace detail

/// Runs `what` from here to its first suspension, and on from there as its operations complete.
/// @param ended told the exception that it ended with, or null; must not throw
template <class F>
void spawn(task<void> what, F ended) {
  detail::run_detached(std::move(what), std::move(ended));
}

} // namespace troupe::net

#pragma once
#include "messages/updates.hpp"
#include "runtime/native/handler.hpp"

#include <cstddef>

namespace troupe::native {

struct pool_counts {
  std::size_t threads = 0; ///< That may take work.
  std::size_t queued = 0;
  std::size_t written_off = 0; ///< That have not come back yet.
  std::uint64_t overruns = 0;  ///< Ever.
  std::uint64_t throws = 0;
  std::uint64_t handled = 0;
};

struct pool_limits {
  std::size_t threads = 4;
  std::chrono::milliseconds timeout{5'000}; ///< Of one `on`.
  std::size_t max_written_off = 8; ///< So many threads that did not come back, and no handler runs
                                   ///< any more until one of them does.
  /// Told of overruns and of threads that came back, while the pool lives. May be empty; must
  /// neither block nor ask the pool.
  std::function<void(const pool_counts&)> changed{};
};

/// How an attempt ended.
enum class run_end : std::uint8_t {
  done,
  threw,   ///< `reason` has the exception's words.
  overran, ///< The thread is written off.
  refused, ///< Not begun: too many threads are written off, or the node stops.
};
struct run_result {
  run_end how = run_end::done;
  std::string reason;
};

/// Makes a Bot API call; calls the function once, on any thread. Thread-safe.
using caller = std::function<void(std::string, std::string, std::function<void(answer)>)>;

struct run_order {
  bot_id bot = 0;
  std::string name; ///< The handler's.
  std::shared_ptr<handler> to;
  std::int64_t seq = 0; ///< The journal's number of the update.
  std::int64_t id = 0;
  std::string kind;
  shared_text body;
  std::uint32_t attempt = 1;
  caller call;
  std::function<void(run_result)> done; ///< Called once, on any thread; must not block.
};

/// The threads that handlers run on. One that overruns its time is written off: its order ends with
/// `overran`, another thread takes its place, an alert is raised. When it comes back after all it
/// ends. What a written-off handler still asks of its context throws `overrun`.
class pool {
public:
  explicit pool(pool_limits limits);
  /// Ends what waits as refused, and waits for threads that run a handler until their time is over.
  ~pool();
  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  /// In order of arrival.
  void run(run_order order);

  [[nodiscard]] pool_counts report() const;

  /// What the pool knows of an update, also where the bot that asked for it has ended.
  enum class standing : std::uint8_t {
    unknown,
    runs,    ///< A thread has not come back from it, or it waits for one, or for its calls.
    handled, ///< Done with; until it is forgotten. Bounded: the oldest are forgotten.
  };
  [[nodiscard]] standing standing_of(bot_id bot, std::int64_t seq) const;

  // Attempts that ended their bot, which cannot remember them. Bounded: the oldest are forgotten.
  /// @returns how many there were with this one
  std::uint32_t note_crash(bot_id bot, std::int64_t seq, std::string reason);
  struct crashes {
    std::uint32_t attempts = 0;
    std::string reason; ///< Of the last one.
  };
  [[nodiscard]] crashes crashes_of(bot_id bot, std::int64_t seq) const;
  /// Its crashes, and that it was handled.
  void forget(bot_id bot, std::int64_t seq);

private:
  struct core;
  std::shared_ptr<core> core_; ///< Shared with threads, of which some may never come back.
};

} // namespace troupe::native

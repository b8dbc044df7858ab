#pragma once
#include "runtime/policy/sliding_window.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

/// One budget for many nodes: at most so many requests in any sliding window over all of them, with
/// no question asked per request. A leader divides the budget into slices of whole requests that
/// expire; a holder keeps its own window within its slice.
///
/// Why the sum holds: think of the budget as so many places, each good for one request per window.
/// Every place is in at most one node's slice, and goes to another only when its last holder has
/// certainly stopped using it and its last request there is a whole window old. How many requests
/// the last window holds, holders say: what was idle goes at once. The leader counts a slice from
/// when the request for it arrived, the holder from when it sent that request, which was earlier:
/// so no answer, however late or lost, makes a holder use what the leader thinks is free. Clocks
/// are monotonic, differ by any offset, and run equally fast but for `slack`.
namespace troupe {

struct slice_rules {
  std::uint32_t budget = 25; ///< Requests in any window, over all holders; above 0.
  duration window = std::chrono::seconds{1};
  duration length = std::chrono::seconds{3};     ///< Of a slice; holders renew at a third of it.
  duration slack = std::chrono::milliseconds{5}; ///< What clocks may run apart in a slice's time.
  /// What cannot be divided evenly is lent in turns of about this length.
  duration turn = std::chrono::seconds{60};
};

/// A holder asks for a slice, renews it, and says that it follows an earlier answer: all in one.
struct slice_request {
  std::uint64_t holder = 0;  ///< One life of a node; never used by another.
  std::uint64_t number = 0;  ///< Rises with each request of this holder.
  std::uint64_t epoch = 0;   ///< Of the answer that it goes by,
  std::uint64_t grant = 0;   ///< and that answer's number; 0: none.
  std::uint32_t used = 0;    ///< Requests in the last window.
  std::uint32_t waiting = 0; ///< Requests that could go if the budget were larger.
};

/// The answer.
struct slice_grant {
  std::uint64_t request = 0; ///< That it answers.
  std::uint64_t epoch = 0;   ///< The leader's: a later leader's is larger.
  std::uint64_t number = 0;  ///< Rises with each of this leader's.
  std::uint32_t count = 0;   ///< Requests in any window; 0 for now.
  duration length{0};        ///< From when the request was sent.
  duration wait{0};          ///< Nobody gets any before: a new leader; from then, too.
};

/// The leader's book: who may hold how much. Each holder gets what it needs while there is enough;
/// what is left over is spread for sudden needs, the leader keeping a holder's part of it. When
/// there is not enough, nobody gets less than another who has unmet needs, in the long run.
class slice_leader {
public:
  /// @param epoch larger than any leader's before
  /// @param unseen for how long after `now` slices of earlier leaders may last: the longest slice
  ///        that any of them could grant; 0: there was none
  slice_leader(const slice_rules& rules, std::uint64_t epoch, time_point now, duration unseen);
  /// The book of another budget under the same leader, begun later than the election.
  /// @param opens nothing is granted before
  /// @param last above which its answers are numbered
  slice_leader(const slice_rules& rules, std::uint64_t epoch, time_point now, time_point opens,
               std::uint64_t last)
    : rules_(rules), epoch_(epoch), opens_(opens), divided_(now), last_(last) {}

  /// Answers a request; nothing if a newer one of this holder came before.
  [[nodiscard]] std::optional<slice_grant> grant(const slice_request& x, time_point now);

  /// A smaller budget takes effect as holders renew.
  void set_budget(std::uint32_t budget) noexcept { rules_.budget = budget; }

  struct usage {
    std::uint32_t budget = 0;
    std::uint32_t held = 0;    ///< That holders may be using.
    std::uint32_t resting = 0; ///< That holders may have used within the last window.
    std::size_t holders = 0;
  };
  [[nodiscard]] usage used(time_point now);

  /// Nothing is granted before.
  [[nodiscard]] time_point opens() const noexcept { return opens_; }
  /// The number of the last answer.
  [[nodiscard]] std::uint64_t last() const noexcept { return last_; }

private:
  struct outstanding {
    std::uint64_t number = 0;
    std::uint32_t count = 0;
    time_point ends{};
  };
  struct account {
    /// Slices that the holder may go by: later ones end later and are smaller, others decide
    /// nothing.
    std::deque<outstanding> slices;
    /// Requests that the last window may hold: of slices that ended, and as the holder said last,
    /// each with when it ends.
    std::vector<outstanding> past;
    std::uint64_t request = 0;
    bool asks = false; ///< It has slices, or is being answered; others' past alone is known.
    time_point heard{};
    double used = 0; ///< Smoothed.
    std::uint32_t waiting = 0;
    double standing = 0; ///< Of those, how many have been waiting all the time lately.
    double owed = 0;     ///< Requests times turns that it got less than its fair part.
    double fair = 0;
    std::uint32_t want = 0; ///< `fair` in whole requests.

    /// What it may be using.
    [[nodiscard]] std::uint32_t charge() const noexcept {
      return slices.empty() ? 0 : slices.front().count;
    }
    /// What it will be using once the last answer has arrived.
    [[nodiscard]] std::uint32_t promised() const noexcept {
      return slices.empty() ? 0 : slices.back().count;
    }
    /// What nobody else may use.
    [[nodiscard]] std::uint32_t taken() const noexcept {
      auto most = charge();
      for (const auto& one : past)
        most = std::max(most, one.count);
      return most;
    }
  };

  void settle(time_point now);
  void rest(account& of, outstanding x, time_point since) const;
  void note(account& of, const slice_request& x, time_point now) const;
  void follow(account& of, const slice_request& x, time_point now) const;
  void divide(time_point now);
  void divide_fairly();
  template <class F>
  double pour(double left, F holds);
  [[nodiscard]] std::uint32_t free() const noexcept;
  [[nodiscard]] std::uint32_t decide(const account& of) const noexcept;

  slice_rules rules_;
  std::uint64_t epoch_;
  time_point opens_;
  time_point divided_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, account> holders_;
};

/// A holder's book: its slice, and the window that it keeps within it.
class slice_holder {
public:
  /// @param id as in `slice_request`
  /// @param last above which its requests are numbered
  slice_holder(std::uint64_t id, duration window, time_point now, std::uint64_t last = 0) noexcept
    : id_(id), window_length_(window), last_(last), length_(window), asked_(now - window) {}

  /// When to ask again: before the slice ends, soon while too little is held; after a smaller
  /// slice, which others wait for, as soon as the last window holds no more. `now` or earlier: do.
  [[nodiscard]] time_point next_ask(time_point now, std::uint32_t waiting) const noexcept;

  /// A request; it counts as sent at `now`, so it must not be sent before.
  [[nodiscard]] slice_request ask(time_point now, std::uint32_t waiting);

  /// An answer, however late, lost or doubled others were.
  void take(const slice_grant& x, time_point now) noexcept;

  /// Requests in any window that the slice allows now.
  [[nodiscard]] std::uint32_t limit(time_point now) const noexcept {
    return now < expires_ ? count_ : 0;
  }

  /// When one more request may go, after `ahead` others; `now` or earlier: at once. The end of time
  /// if not within this slice.
  /// @param most no more than so many in any window, whatever the slice allows
  [[nodiscard]] time_point opens(time_point now, std::uint32_t ahead = 0,
                                 std::uint32_t most = unbounded) const noexcept;
  /// The same as far as can be told: as if the slice went on as it is, but for one that is less
  /// than an even part of `most`, which is what a holder gets soon if it lacks some. While there is
  /// none, as if as many as were held last, or `most` if there never were any, came this moment; or
  /// when a new leader begins, if it told.
  /// @param holders among whom `most` is shared; 0: not known
  /// @param without so many of the slice are not for it
  /// @pre most > 0
  [[nodiscard]] time_point expected(time_point now, std::uint32_t ahead, std::uint32_t most,
                                    std::uint32_t holders = 0,
                                    std::uint32_t without = 0) const noexcept;
  /// A request goes. @pre opens(now) <= now
  void record(time_point now);
  /// It did not go after all.
  bool remove(time_point stamp) noexcept { return events_.remove(stamp); }

  [[nodiscard]] time_point expires() const noexcept { return expires_; }
  /// Requests in the window that ends now.
  [[nodiscard]] std::uint32_t used(time_point now) const noexcept {
    return events_.used(window_length_, now);
  }
  /// Whether its window is empty.
  [[nodiscard]] bool idle(time_point now) const noexcept {
    return events_.empty(window_length_, now);
  }
  [[nodiscard]] duration window() const noexcept { return window_length_; }
  /// Allows nothing before `until`: what went before is not known.
  void hold(time_point until) noexcept { events_.hold(until); }

  /// So many holders share budgets, as far as the node knows.
  void shared_by(std::uint32_t holders) noexcept { holders_ = holders; }
  [[nodiscard]] std::uint32_t holders() const noexcept { return holders_; }

  static constexpr std::uint32_t unbounded = 0xffffffffu;

private:
  [[nodiscard]] rate_rules rules(std::uint32_t limit) const noexcept {
    return {{rate_rule{limit, window_length_}, {}}};
  }

  std::uint64_t id_;
  duration window_length_;
  sliding_window events_;
  std::deque<std::pair<std::uint64_t, time_point>> sent_; ///< Requests that may be answered yet.
  std::uint64_t last_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t grant_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t last_count_ = 0; ///< The last one above 0.
  std::uint32_t largest_ = 1;    ///< Ever held: no window looks back on more.
  std::uint32_t holders_ = 0;
  time_point expires_ = time_point::min();
  time_point begins_ = time_point::min(); ///< Nobody gets any before.
  duration length_;
  time_point asked_;
  std::uint32_t believed_ = 0; ///< What the leader takes to be in use here.
};

} // namespace troupe

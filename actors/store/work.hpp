#pragma once
#include "messages/store.hpp"
#include "runtime/store/database.hpp"

#include <caf/error.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

/// The port between the store actor and whatever runs SQL.
namespace troupe::storage {

/// Where the ends of works are gathered until their actor takes them: one wake-up for many.
/// Thread-safe.
class completion {
public:
  /// `wake` is called when there is something to take and there was nothing before.
  explicit completion(std::function<void()> wake) : wake_(std::move(wake)) {}

  void add(std::uint64_t id) {
    bool first = false;
    {
      std::lock_guard lock{mutex_};
      first = ids_.empty();
      ids_.push_back(id);
    }
    if (first)
      wake_();
  }
  std::vector<std::uint64_t> take() {
    std::lock_guard lock{mutex_};
    return std::exchange(ids_, {});
  }

private:
  std::mutex mutex_;
  std::vector<std::uint64_t> ids_;
  std::function<void()> wake_;
};

/// One request of the store.
struct work {
  enum class kind : std::uint8_t {
    read,    ///< `run` in a unit that reads.
    write,   ///< `run` in a unit that writes, perhaps together with others.
    outside, ///< `alone`, without a unit.
  };

  std::uint64_t id = 0;
  kind how = kind::read;
  /// Not begun later: answered with `unavailable`.
  std::chrono::steady_clock::time_point expires;
  /// Does it and keeps the result. May be called several times, the last one counts. What it throws
  /// undoes it. A refusal that it keeps must not leave half a change behind.
  std::function<void(store::unit&)> run;
  std::function<void()> alone;
  /// Keeps this as the result.
  std::function<void(caf::error)> fail;
  std::shared_ptr<completion> told; ///< Told the id when the result is there, and on disk.
};

/// Runs works. Thread-safe. Works that wait when it ends are failed with `unavailable`.
class sql_port {
public:
  virtual ~sql_port() = default;
  /// Does not block. Works are begun in order of their submission; reads and writes in two lines.
  virtual void submit(work what) = 0;
  /// Units committed so far that wrote.
  [[nodiscard]] virtual std::uint64_t commits() const noexcept = 0;
};

/// What a failed unit's requests are answered with.
[[nodiscard]] inline caf::error refusal_of(const store::store_error& x) {
  using enum store::fault;
  if (x.outcome_unknown())
    return caf::make_error(store_refusal::outcome_unknown);
  switch (x.kind()) {
  case busy:
  case lost_connection:
    return caf::make_error(store_refusal::unavailable, refusal{std::chrono::seconds{1}});
  case disk_full:
    return caf::make_error(store_refusal::disk_full);
  case constraint:
    return caf::make_error(store_refusal::invalid);
  default:
    return caf::make_error(store_refusal::failed);
  }
}

} // namespace troupe::storage

#pragma once
#include "messages/journal.hpp"
#include "runtime/store/updates.hpp"

#include <caf/error.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

namespace troupe::journal {

/// Updates of one bot that wait, without bodies; urgent ones apart.
class pending_set {
public:
  struct entry {
    std::int64_t update_id = 0;
    std::int64_t received = 0;
    std::int64_t expires = 0;
    bool given = false; ///< To its bot, which says how it ends.

    [[nodiscard]] std::int64_t ends(std::int64_t grace) const noexcept {
      return given ? expires + grace : expires;
    }
  };
  using by_seq = std::map<std::int64_t, entry>;

  void add(std::int64_t seq, bool urgent, const entry& x) {
    auto& to = urgent ? urgent_ : others_;
    to.emplace_hint(to.end(), seq, x);
  }
  [[nodiscard]] bool contains(std::int64_t seq) const {
    return urgent_.contains(seq) || others_.contains(seq);
  }
  /// @returns what was there, if anything; `urgent` tells of which kind
  std::optional<entry> take(std::int64_t seq, bool& urgent) {
    auto found = urgent_.extract(seq);
    urgent = !found.empty();
    if (!urgent)
      found = others_.extract(seq);
    return found.empty() ? std::nullopt : std::optional{found.mapped()};
  }
  void clear() {
    urgent_.clear();
    others_.clear();
  }
  [[nodiscard]] std::size_t size() const noexcept { return urgent_.size() + others_.size(); }

  /// The first `limit`: urgent ones behind `after_urgent`, then the others behind `after`.
  [[nodiscard]] std::vector<std::int64_t> by_arrival(std::int64_t after_urgent, std::int64_t after,
                                                     std::size_t limit) const {
    std::vector<std::int64_t> result;
    for (auto i = urgent_.upper_bound(after_urgent); i != urgent_.end() && result.size() < limit;
         ++i)
      result.push_back(i->first);
    for (auto i = others_.upper_bound(after); i != others_.end() && result.size() < limit; ++i)
      result.push_back(i->first);
    return result;
  }
  /// The first `limit` whose (update_id, seq) is above (`after`, `after_seq`), in its order.
  [[nodiscard]] std::vector<std::int64_t> by_id(std::int64_t after, std::int64_t after_seq,
                                                std::size_t limit) const {
    std::vector<std::pair<std::int64_t, std::int64_t>> found;
    each([&](std::int64_t seq, const entry& x) {
      if (std::pair{x.update_id, seq} > std::pair{after, after_seq})
        found.emplace_back(x.update_id, seq);
    });
    auto count = static_cast<std::ptrdiff_t>(std::min(limit, found.size()));
    std::partial_sort(found.begin(), found.begin() + count, found.end());
    std::vector<std::int64_t> result;
    for (auto i = found.begin(); i != found.begin() + count; ++i)
      result.push_back(i->second);
    return result;
  }
  /// All, in order of arrival.
  [[nodiscard]] std::vector<std::pair<std::int64_t, std::int64_t>> seqs_and_ids() const {
    std::vector<std::pair<std::int64_t, std::int64_t>> result;
    each([&](std::int64_t seq, const entry& x) { result.emplace_back(seq, x.update_id); });
    std::ranges::sort(result);
    return result;
  }
  /// @param grace so much later those that were given to their bot
  [[nodiscard]] std::vector<std::int64_t> expired(std::int64_t now, std::int64_t grace) const {
    std::vector<std::int64_t> result;
    each([&](std::int64_t seq, const entry& x) {
      if (x.ends(grace) <= now)
        result.push_back(seq);
    });
    return result;
  }
  [[nodiscard]] std::int64_t next_expiry(std::int64_t grace) const {
    auto result = std::numeric_limits<std::int64_t>::max();
    each([&](std::int64_t, const entry& x) { result = std::min(result, x.ends(grace)); });
    return result;
  }
  void give(std::int64_t seq) {
    for (auto* from : {&urgent_, &others_})
      if (auto found = from->find(seq); found != from->end())
        found->second.given = true;
  }
  /// The bot that had them is gone.
  void take_back() {
    for (auto* from : {&urgent_, &others_})
      for (auto& [seq, x] : *from)
        x.given = false;
  }
  /// When the oldest came; 0: there is none.
  [[nodiscard]] std::int64_t oldest() const {
    auto result = std::numeric_limits<std::int64_t>::max();
    for (auto* each : {&urgent_, &others_})
      if (!each->empty())
        result = std::min(result, each->begin()->second.received);
    return size() == 0 ? 0 : result;
  }

private:
  template <class F>
  void each(F&& what) const {
    for (auto* from : {&urgent_, &others_})
      for (auto& [seq, x] : *from)
        what(seq, x);
  }

  by_seq urgent_;
  by_seq others_;
};

/// What memory has of a bot.
struct bot_queue {
  enum class memory : std::uint8_t {
    warm,    ///< `pending` is complete.
    cold,    ///< Only counted: there were too many to keep all.
    loading, ///< Being read from the store.
  };
  struct waiting_request {
    std::function<void()> run;
    std::function<void(const caf::error&)> fail; ///< Empty: it waits until the store answers.
  };

  memory state = memory::warm;
  pending_set pending;
  std::uint32_t uncounted = 0;  ///< Of a cold one: how many wait.
  std::int64_t cold_oldest = 0; ///< Of a cold one: when its oldest came.
  std::int64_t next_expiry = std::numeric_limits<std::int64_t>::max(); ///< Not earlier.
  std::uint32_t coming = 0;                                            ///< Wait for their commit.
  std::uint32_t ending = 0;            ///< Ended in memory, not yet in the store.
  std::uint32_t dead = 0;              ///< Dead letters.
  std::uint32_t ended_since = 0;       ///< Since its marks were truncated.
  std::optional<std::int64_t> top;     ///< The highest update_id remembered; empty: not known.
  std::optional<std::int64_t> last_id; ///< Of what came last, ended or not; empty: not known.
  bot_actor consumer;                  ///< Told of updates, monitored.
  bool told = false;                   ///< It knows that there is something to fetch.
  caf::actor_clock::time_point used{};
  std::vector<waiting_request> deferred; ///< Until it is warm.

  [[nodiscard]] std::uint32_t count() const noexcept {
    return state == memory::warm ? static_cast<std::uint32_t>(pending.size()) : uncounted;
  }
  [[nodiscard]] std::int64_t oldest() const {
    return state == memory::warm ? pending.oldest() : cold_oldest;
  }
  void add(std::int64_t seq, bool urgent, const pending_set::entry& x) {
    next_expiry = std::min(next_expiry, x.expires);
    if (state != memory::cold)
      pending.add(seq, urgent, x);
    if (state != memory::warm) {
      ++uncounted;
      if (cold_oldest == 0)
        cold_oldest = x.received;
    }
  }
};

} // namespace troupe::journal

#pragma once
#include "runtime/policy/budget_slices.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace troupe::test {

/// Nodes that share a budget by slices, and a network between them that may do anything: a model
/// that knows the true time of every request. Each machine's clock is true time and an offset of
/// its own.
class slice_cluster {
public:
  struct network {
    duration least{std::chrono::milliseconds{1}};
    duration most{std::chrono::milliseconds{30}};
    double lost = 0;    ///< Of all messages.
    double doubled = 0; ///< These come twice.
    double late = 0;    ///< These take up to `latest`.
    duration latest{std::chrono::seconds{6}};
  };

  slice_cluster(slice_rules rules, std::size_t nodes, std::uint32_t seed)
    : rules_(rules), rng_(seed) {
    for (std::size_t i = 0; i < nodes; ++i) {
      nodes_.push_back({});
      nodes_.back().offset = std::chrono::milliseconds{rng_() % 100'000'000};
      restart(i);
    }
  }

  /// A new leader, on the machine of this node, that has not seen what was before.
  void elect(std::size_t node, bool first = false) {
    leads_ = node;
    leader_ = std::make_unique<slice_leader>(
      rules_, ++epoch_, clock(node), first ? duration::zero() : rules_.length + rules_.slack);
  }
  /// Nobody leads from now on; what the last one answered is still under way.
  void depose() { leader_.reset(); }
  [[nodiscard]] slice_leader* leader() { return leader_.get(); }

  /// The node forgets all, and is another holder from now on.
  void restart(std::size_t i) {
    nodes_[i].life = ++lives_;
    nodes_[i].book = std::make_unique<slice_holder>(nodes_[i].life, rules_.window, clock(i));
  }
  /// No message comes or goes.
  void cut(std::size_t i, bool off) { nodes_[i].cut = off; }
  /// As by SIGSTOP and SIGCONT: it wakes up with what it had, and with what has come meanwhile.
  void stop(std::size_t i) { nodes_[i].stopped = true; }
  void wake(std::size_t i) {
    nodes_[i].stopped = false;
    for (auto& read : std::exchange(nodes_[i].unread, {}))
      read();
  }
  /// One step of true time; `demand(i)` requests come up at node i within it.
  template <class F>
  void step(duration by, F demand) {
    now_ += by;
    deliver();
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      auto& node = nodes_[i];
      if (node.stopped)
        continue;
      auto now = clock(i);
      // Beyond that, callers have given up.
      node.waiting = std::min<std::uint32_t>(node.waiting + demand(i), 20 * rules_.budget);
      while (node.waiting > 0 && node.book->opens(now) <= now) {
        node.book->record(now);
        --node.waiting;
        ++node.served;
        events_.push_back(now_);
      }
      if (node.book->next_ask(now, node.waiting) <= now)
        ask(i);
    }
  }

  /// The shortest time in which one request more than the budget went: below a window, it broke.
  [[nodiscard]] duration closest() const {
    auto result = duration::max();
    for (std::size_t i = rules_.budget; i < events_.size(); ++i)
      result = std::min(result, events_[i] - events_[i - rules_.budget]);
    return result;
  }

  [[nodiscard]] std::size_t served() const { return events_.size(); }
  [[nodiscard]] std::uint64_t served(std::size_t i) const { return nodes_[i].served; }
  [[nodiscard]] std::uint32_t waiting(std::size_t i) const { return nodes_[i].waiting; }
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  [[nodiscard]] std::uint32_t limit(std::size_t i) const { return nodes_[i].book->limit(clock(i)); }
  [[nodiscard]] time_point now() const { return now_; }
  [[nodiscard]] std::mt19937& rng() { return rng_; }
  [[nodiscard]] double chance() { return std::uniform_real_distribution<>{}(rng_); }

  network between;

private:
  struct machine {
    duration offset{0};
    std::uint64_t life = 0;
    std::unique_ptr<slice_holder> book;
    std::uint32_t waiting = 0;
    std::uint64_t served = 0;
    bool cut = false;
    bool stopped = false;
    std::vector<std::function<void()>> unread; ///< While it was stopped.
  };

  [[nodiscard]] time_point clock(std::size_t i) const { return now_ + nodes_[i].offset; }

  void ask(std::size_t i) {
    auto request = nodes_[i].book->ask(clock(i), nodes_[i].waiting);
    send(i, leads_, [this, i, request] {
      auto answer = leader_ ? leader_->grant(request, clock(leads_)) : std::nullopt;
      if (answer)
        send(leads_, i, [this, i, life = request.holder, answer] {
          if (nodes_[i].life == life)
            nodes_[i].book->take(*answer, clock(i));
        });
    });
  }

  void send(std::size_t from, std::size_t to, std::function<void()> what) {
    ++messages_;
    for (int copies = chance() < between.doubled ? 2 : 1; copies > 0; --copies) {
      if (from != to && (nodes_[from].cut || chance() < between.lost))
        continue;
      auto most = chance() < between.late ? between.latest : between.most;
      auto takes = from == to ? duration{0}
                              : between.least
                                  + (most - between.least) * static_cast<int>(rng_() % 1000) / 1000;
      agenda_.emplace(now_ + takes, message{to, from != to, what});
    }
  }

  void deliver() {
    while (!agenda_.empty() && agenda_.begin()->first <= now_) {
      auto next = std::move(agenda_.begin()->second);
      agenda_.erase(agenda_.begin());
      if (nodes_[next.to].stopped) // It will read that when it wakes up.
        nodes_[next.to].unread.push_back(std::move(next.what));
      else if (!(next.remote && nodes_[next.to].cut))
        next.what();
    }
  }

  struct message {
    std::size_t to;
    bool remote;
    std::function<void()> what;
  };

  slice_rules rules_;
  std::mt19937 rng_;
  time_point now_{std::chrono::hours{100}};
  std::vector<machine> nodes_;
  std::multimap<time_point, message> agenda_;
  std::vector<time_point> events_;
  std::unique_ptr<slice_leader> leader_;
  std::size_t leads_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t lives_ = 0;
  std::uint64_t messages_ = 0;
};

} // namespace troupe::test

#pragma once
#include "runtime/etcd/members.hpp"

#include <functional>
#include <memory>

namespace troupe::etcd {

/// One watch: a stream from one member after the other, none of whose changes is lost or told
/// twice. On the client's thread.
class watcher : public std::enable_shared_from_this<watcher> {
public:
  watcher(members& all, watch_spec what, std::chrono::milliseconds silence,
          std::function<void(watch_news)> then)
    : all_(all), what_(std::move(what)), silence_(silence), then_(std::move(then)),
      pause_(all.executor()), quiet_(all.executor()) {}

  /// Goes on until the watch ends. Keeps `keeper`, whose the members are, as long as it asks them.
  step<void> run(std::shared_ptr<void> keeper);

  /// No news from now on.
  void end() noexcept;

private:
  step<void> follow(std::size_t member);
  bool take(std::string_view line);
  void tell(watch_news news);
  /// Asks the member whether it still answers whenever it is silent for too long.
  void listen(std::size_t member, const std::shared_ptr<errand>& stream);
  static step<void> check(std::shared_ptr<void> keeper, std::shared_ptr<watcher> me,
                          std::size_t member, std::shared_ptr<errand> stream);

  members& all_;
  watch_spec what_;
  std::chrono::milliseconds silence_;
  std::function<void(watch_news)> then_;
  std::weak_ptr<void> keeper_;
  net::steady_timer pause_; ///< Before the next member.
  net::steady_timer quiet_;
  std::shared_ptr<errand> stream_; ///< What runs now.
  clock::time_point heard_{};
  bool started_ = false; ///< This stream.
  std::string reason_;   ///< Why this stream ended.
  bool over_ = false;
};

} // namespace troupe::etcd

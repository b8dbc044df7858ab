#include "runtime/etcd/watcher.hpp"

#include "runtime/etcd/codec.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace troupe::etcd {
namespace {

constexpr asio::use_awaitable_t<net::io_executor> awaited_watch{};

constexpr std::chrono::milliseconds first_pause{20};
constexpr std::chrono::milliseconds longest_pause{1'000};

/// gRPC's codes of what another member, or the same one a little later, may do: cancelled, unknown,
/// deadline exceeded, internal, unavailable.
bool passing(int code) noexcept {
  return code == 1 || code == 2 || code == 4 || code == 13 || code == 14;
}

} // namespace

step<void> watcher::run(std::shared_ptr<void> keeper) {
  auto me = shared_from_this();
  keeper_ = keeper;
  auto pause = first_pause;
  while (!over_) {
    auto member = all_.favourite();
    started_ = false;
    reason_.clear();
    co_await follow(member);
    if (over_)
      break;
    all_.give_up(member);
    watch_news news;
    news.what = watch_news::kind::interrupted;
    news.reason = all_.shown(member) + ": " + reason_;
    tell(std::move(news));
    pause = started_ ? first_pause : std::min(pause * 2, longest_pause);
    pause_.expires_after(pause);
    error_code ignored;
    if (!over_)
      co_await pause_.async_wait(asio::redirect_error(awaited_watch, ignored));
  }
  keeper.reset();
}

step<void> watcher::follow(std::size_t member) {
  stream_ = std::make_shared<errand>();
  auto stream = stream_;
  auto now = clock::now();
  heard_ = now;
  listen(member, stream);
  auto body = body_of(what_);
  line_taker each = [this](std::string_view line) {
    heard_ = clock::now();
    return take(line);
  };
  members::attempt tried;
  co_await all_.ask(member, stream, now + silence_, clock::time_point::max(), "/v3/watch", body,
                    each, tried);
  quiet_.cancel();
  stream_.reset();
  if (over_ || !reason_.empty())
    co_return;
  if (stream->over)
    reason_ = "no answer in time";
  else
    reason_ = tried.got.reason.empty() ? "the stream ended" : tried.got.reason;
  auto refused = tried.got.whole ? read_complaint(tried.got.body) : std::nullopt;
  if (refused)
    reason_ = refused->message;
  if ((refused && !passing(refused->code)) || (!refused && tried.got.status / 100 == 4)) {
    watch_news news;
    news.what = watch_news::kind::refused;
    news.reason = reason_;
    tell(std::move(news));
    end();
  }
}

bool watcher::take(std::string_view line) {
  auto got = over_ ? std::nullopt : read_watch_line(line);
  if (!got) {
    reason_ = "what came is no watch of etcd's";
    return false;
  }
  watch_news news;
  if (got->canceled) {
    reason_ = got->reason.empty() ? "the watch was canceled" : got->reason;
    if (passing(got->code))
      return false;
    news.what = got->compacted > 0 ? watch_news::kind::compacted : watch_news::kind::refused;
    news.at = got->compacted;
    news.reason = reason_;
    tell(std::move(news));
    end();
    return false;
  }
  if (got->created) {
    started_ = true;
    if (what_.from == 0)
      what_.from = got->at + 1;
    news.at = what_.from;
    tell(std::move(news));
    return !over_;
  }
  // A message without changes says how far the store has come: all before has been told.
  auto upto = got->changes.empty() ? got->at : got->changes.back().now.modified;
  what_.from = std::max(what_.from, upto + 1);
  if (!got->changes.empty()) {
    news.what = watch_news::kind::changed;
    news.at = upto;
    news.changes = std::move(got->changes);
    tell(std::move(news));
  }
  return !over_;
}

void watcher::tell(watch_news news) {
  if (over_)
    return;
  auto then = then_; // The watch may end within.
  then(std::move(news));
}

void watcher::end() noexcept {
  over_ = true;
  then_ = nullptr;
  if (stream_)
    stream_->end();
  pause_.cancel();
  quiet_.cancel();
}

void watcher::listen(std::size_t member, const std::shared_ptr<errand>& stream) {
  quiet_.expires_at(heard_ + silence_);
  auto later = [me = shared_from_this(), member, stream](error_code cancelled) {
    if (cancelled || me->over_ || me->stream_ != stream)
      return;
    if (clock::now() < me->heard_ + me->silence_) // It spoke meanwhile.
      return me->listen(member, stream);
    if (auto keeper = me->keeper_.lock())
      asio::co_spawn(me->all_.executor(), check(keeper, me, member, stream),
                     [](const std::exception_ptr&) {});
  };
  quiet_.async_wait(std::move(later));
}

step<void> watcher::check(std::shared_ptr<void> keeper, std::shared_ptr<watcher> me,
                          std::size_t member, std::shared_ptr<errand> stream) {
  range asked{me->what_.key, {}, 0, 1, true};
  request as_request = asked;
  auto body = body_of(as_request);
  auto path = path_of(as_request);
  auto by = std::make_shared<errand>();
  auto limit = clock::now() + me->silence_;
  line_taker none;
  members::attempt tried;
  co_await me->all_.ask(member, by, limit, limit, path, body, none, tried);
  if (me->over_ || me->stream_ != stream)
    co_return;
  keeper.reset();
  if (tried.got.whole && tried.got.status == 200) {
    me->heard_ = clock::now();
    me->listen(member, stream);
    co_return;
  }
  me->reason_ = tried.got.reason.empty() ? "it does not answer" : tried.got.reason;
  stream->end();
}

} // namespace troupe::etcd

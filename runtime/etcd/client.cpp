#include "runtime/etcd/client.hpp"

#include "runtime/etcd/codec.hpp"
#include "runtime/etcd/watcher.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <map>

namespace troupe::etcd {
namespace {

constexpr asio::use_awaitable_t<net::io_executor> awaited_round{};

/// After all members were asked in vain: an election takes some of these.
constexpr std::chrono::milliseconds round_pause{50};

constexpr int code_unavailable = 14;

struct order {
  request what;
  clock::time_point deadline;
  std::function<void(result)> then;
  result out;
};

/// Whether it does no harm to ask twice.
bool repeatable(const request& what) noexcept {
  return std::holds_alternative<range>(what) || std::holds_alternative<lease_keep_alive>(what)
         || std::holds_alternative<lease_revoke>(what);
}

/// gRPC's codes by which a member says that it could not, rather than that it must not: cancelled,
/// unknown, deadline exceeded, internal, unavailable.
bool may_pass(int code) noexcept {
  return code == 1 || code == 2 || code == 4 || code == 13 || code == code_unavailable;
}

/// What a member says before it does anything.
bool untouched(const complaint& x) noexcept {
  return x.code == code_unavailable && x.message == "etcdserver: no leader";
}

/// How one attempt ended.
enum class verdict : std::uint8_t { final, elsewhere, doubtful };

verdict judge(order& x, const members::attempt& tried, const std::string& member) {
  auto& out = x.out;
  out.sent = tried.began;
  out.reason = member + ": " + tried.got.reason;
  if (!tried.got.whole)
    return tried.sent ? verdict::doubtful : verdict::elsewhere;
  if (auto refused = read_complaint(tried.got.body)) {
    out.reason = member + ": " + refused->message;
    if (may_pass(refused->code))
      return untouched(*refused) ? verdict::elsewhere : verdict::doubtful;
    out.what = status::refused;
    out.code = refused->code;
    return verdict::final;
  }
  auto read = tried.got.status == 200 ? read_reply(x.what, tried.got.body) : std::nullopt;
  if (!read) {
    out.reason =
      member + ": an answer that is not etcd's (HTTP " + std::to_string(tried.got.status) + ")";
    return verdict::doubtful;
  }
  out.what = status::done;
  out.reason.clear();
  out.value = std::move(*read);
  return verdict::final;
}

class client : public port, public std::enable_shared_from_this<client> {
public:
  client(net::io_executor ex, std::shared_ptr<net::dns_cache> dns, const client_options& options)
    : ex_(ex), silence_(options.silence), all_(ex, std::move(dns), options) {}

  void perform(request what, std::chrono::milliseconds limit,
               std::function<void(result)> then) override {
    auto x = std::make_shared<order>();
    x->what = std::move(what);
    x->deadline = clock::now() + limit;
    x->then = std::move(then);
    auto ended = [x](const std::exception_ptr& failed) {
      if (failed) {
        x->out = {};
        x->out.what = status::unknown;
        x->out.reason = "the exchange failed";
      }
      x->then(std::move(x->out));
    };
    asio::post(ex_, [me = shared_from_this(), x, ended = std::move(ended)]() mutable {
      asio::co_spawn(me->ex_, carry_out(me, x), std::move(ended));
    });
  }

  std::uint64_t watch(watch_spec what, std::function<void(watch_news)> then) override {
    auto id = ++last_;
    asio::post(
      ex_, [me = shared_from_this(), id, what = std::move(what), then = std::move(then)]() mutable {
        if (me->closed_)
          return;
        auto made =
          std::make_shared<watcher>(me->all_, std::move(what), me->silence_, std::move(then));
        me->watchers_[id] = made;
        asio::co_spawn(me->ex_, made->run(me),
                       [me, id](const std::exception_ptr&) { me->watchers_.erase(id); });
      });
    return id;
  }

  void unwatch(std::uint64_t id) override {
    asio::post(ex_, [me = shared_from_this(), id] {
      if (auto found = me->watchers_.find(id); found != me->watchers_.end())
        found->second->end();
    });
  }

  void close() override {
    asio::post(ex_, [me = shared_from_this()] {
      me->closed_ = true;
      for (auto& [id, one] : me->watchers_)
        one->end();
      me->all_.close();
    });
  }

private:
  static step<void> carry_out(std::shared_ptr<client> me, std::shared_ptr<order> x) {
    auto body = body_of(x->what);
    auto path = path_of(x->what);
    bool again = repeatable(x->what);
    auto& all = me->all_;
    x->out.reason = "no time to ask";
    for (std::size_t tries = 0; clock::now() < x->deadline && !me->closed_; ++tries) {
      if (tries > 0 && tries % all.count() == 0)
        co_await pause(*me, *x);
      auto now = clock::now();
      if (now >= x->deadline)
        break;
      auto parts = static_cast<std::int64_t>(all.count() - tries % all.count());
      auto share = now + (x->deadline - now) / parts;
      auto member = all.favourite();
      auto by = std::make_shared<errand>();
      line_taker none;
      members::attempt tried;
      co_await all.ask(member, by, share, again ? share : x->deadline, path, body, none, tried);
      auto earlier = x->out.reason;
      auto how = judge(*x, tried, all.shown(member));
      if (how == verdict::final)
        co_return;
      // That the time was over says less than what an earlier attempt met.
      if (tries > 0 && clock::now() >= x->deadline)
        x->out.reason = std::move(earlier);
      all.give_up(member);
      if (how == verdict::doubtful && !again) {
        x->out.what = status::unknown;
        co_return;
      }
    }
    x->out.what = status::unavailable;
    if (me->closed_)
      x->out.reason = "the client is closed";
  }

  static step<void> pause(client& me, const order& x) {
    net::steady_timer timer{me.ex_, std::min(clock::now() + round_pause, x.deadline)};
    error_code ignored;
    co_await timer.async_wait(asio::redirect_error(awaited_round, ignored));
  }

  net::io_executor ex_;
  std::chrono::milliseconds silence_;
  members all_;
  std::map<std::uint64_t, std::shared_ptr<watcher>> watchers_;
  std::atomic<std::uint64_t> last_{0};
  bool closed_ = false;
};

} // namespace

std::shared_ptr<port> make_client(net::io_executor ex, std::shared_ptr<net::dns_cache> dns,
                                  client_options options) {
  return std::make_shared<client>(ex, std::move(dns), options);
}

} // namespace troupe::etcd

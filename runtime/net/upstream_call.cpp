#include "runtime/net/upstream_call.hpp"

#include "runtime/telegram/errors.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace troupe::net {
namespace {

namespace http = boost::beast::http;
using error_code = boost::system::error_code;
using clock = std::chrono::steady_clock;

constexpr asio::use_awaitable_t<io_executor> awaited_call{};

/// More than any method answers with; larger answers are files', which are not asked for here.
constexpr std::uint64_t largest_answer = 16 * 1024 * 1024;

struct exchange {
  std::shared_ptr<const start_rule> rule;
  std::int64_t life = 0; ///< Of the rule, in which it began.
  lease on;
  api_request what;
  clock::time_point deadline;
  std::function<void(outcome, api_answer)> then;
  outcome how;
  api_answer answer;
};

std::string head_of(const api_request& x, const target& where) {
  std::string head = x.body.empty() ? "GET " : "POST ";
  head.append(where.prefix).append(x.path).append(" HTTP/1.1\r\nHost: ");
  head.append(where.host_header).append("\r\n");
  if (!x.body.empty())
    head.append("Content-Type: ")
      .append(x.content_type)
      .append("\r\nContent-Length: ")
      .append(std::to_string(x.body.size()))
      .append("\r\n");
  return head.append("\r\n");
}

template <class Stream>
asio::awaitable<void, io_executor> talk(Stream& stream, const std::string& bytes, exchange& x) {
  error_code ec;
  auto sent =
    co_await asio::async_write(stream, asio::buffer(bytes), asio::redirect_error(awaited_call, ec));
  if (sent > 0 && x.rule->may_begin && x.rule->may_begin() != x.life)
    x.rule->late();
  if (ec) {
    x.how.what = sent == 0 ? failure::not_sent : failure::broken;
    co_return;
  }
  boost::beast::flat_buffer buffer{largest_answer}; // Between chunks the parser sets no limit.
  http::response_parser<http::string_body> parser;
  parser.body_limit(largest_answer);
  co_await http::async_read(stream, buffer, parser, asio::redirect_error(awaited_call, ec));
  if (ec) {
    x.how.what = failure::broken;
    co_return;
  }
  auto& got = parser.get();
  x.how.what = failure::none;
  x.how.status = static_cast<std::uint16_t>(got.result_int());
  x.how.reusable = got.keep_alive() && buffer.size() == 0;
  x.answer.status = x.how.status;
  auto type = got[http::field::content_type];
  x.answer.content_type.assign(type.data(), type.size());
  x.answer.body = std::move(got.body());
  if (x.how.status == 429) {
    auto named = got[http::field::retry_after];
    auto wait = telegram::retry_after_of_header({named.data(), named.size()});
    if (!wait)
      wait = telegram::retry_after_of_body(x.answer.body);
    x.how.retry_after = wait.value_or(std::chrono::seconds{1});
  }
}

asio::awaitable<void, io_executor> perform(std::shared_ptr<upstream_sessions> sessions,
                                           io_executor ex, std::shared_ptr<exchange> x) {
  x->how.what = failure::not_sent;
  auto began = clock::now();
  error_code ec;
  auto* session = co_await sessions->acquire(x->on.session, x->deadline, ec);
  if (session == nullptr) {
    x->how.latency = clock::now() - began;
    co_return;
  }
  began = clock::now();
  x->life = x->rule->may_begin ? x->rule->may_begin() : 1;
  if (x->life == 0) {
    sessions->release(*session, false);
    co_return;
  }
  bool late = false;
  {
    steady_timer timer{ex, x->deadline};
    auto alive = std::make_shared<bool>(true);
    timer.async_wait([&late, session, alive](error_code cancelled) {
      if (cancelled || !*alive)
        return;
      late = true;
      session->abort();
    });
    auto bytes = head_of(x->what, sessions->options().where) + x->what.body;
    if (session->tls())
      co_await talk(session->secure(), bytes, *x);
    else
      co_await talk(session->plain(), bytes, *x);
    *alive = false;
  }
  if (x->how.what != failure::none) {
    x->how.reusable = false;
    if (late)
      x->how.what = failure::timeout;
    else if (session->aborted())
      x->how.what = failure::aborted; // The lease was taken back.
  }
  x->how.latency = clock::now() - began;
  sessions->release(*session, x->how.reusable);
}

class lanes_call_port final : public call_port {
public:
  lanes_call_port(std::vector<std::shared_ptr<upstream_sessions>> lanes,
                  std::vector<io_executor> executors, start_rule rule)
    : lanes_(std::move(lanes)), executors_(std::move(executors)),
      rule_(std::make_shared<const start_rule>(std::move(rule))) {}

  void perform(const lease& on, api_request what, std::chrono::milliseconds limit,
               std::function<void(outcome, api_answer)> then) override {
    auto x = std::make_shared<exchange>();
    x->rule = rule_;
    x->on = on;
    x->what = std::move(what);
    x->deadline = clock::now() + limit;
    x->then = std::move(then);
    auto ex = executors_.at(on.lane);
    auto ended = [x](const std::exception_ptr& failed) {
      if (failed) {
        x->how = outcome{};
        x->how.what = failure::aborted;
      }
      x->then(x->how, std::move(x->answer));
    };
    asio::co_spawn(ex, net::perform(lanes_.at(on.lane), ex, x), std::move(ended));
  }

private:
  std::vector<std::shared_ptr<upstream_sessions>> lanes_;
  std::vector<io_executor> executors_;
  std::shared_ptr<const start_rule> rule_;
};

} // namespace

std::shared_ptr<call_port> make_call_port(std::vector<std::shared_ptr<upstream_sessions>> lanes,
                                          std::vector<io_executor> executors, start_rule rule) {
  return std::make_shared<lanes_call_port>(std::move(lanes), std::move(executors), std::move(rule));
}

} // namespace troupe::net

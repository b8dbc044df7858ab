// The Bot API's URLs: from a request to the method that answers it.
#include "tests/sandbox/routes.hpp"
#include "tests/sandbox/updates.hpp"

#include "runtime/telegram/method_table.hpp"

#include <boost/asio/redirect_error.hpp>

namespace troupe::sandbox {

namespace {

using telegram::method_trait;

constexpr auto get_updates_index = telegram::method_index("getUpdates");
constexpr std::chrono::milliseconds hang_check{50};

struct target_parts {
  std::string_view token;
  std::string_view method;
};

// "/bot<token>/[test/]<method>", decoded: what stands behind the method is part of its name.
target_parts split(std::string_view path) {
  path.remove_prefix(std::string_view{"/bot"}.size());
  auto slash = path.find('/');
  target_parts result{path.substr(0, slash), {}};
  if (slash == std::string_view::npos)
    return result;
  auto rest = path.substr(slash + 1);
  if (rest == "test" || rest.starts_with("test/"))
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 5));
  result.method = rest;
  return result;
}

void answer_error(net::http_response& out, const telegram::api_error& error) {
  out.status = error.code;
  out.body = telegram::to_json(error);
  if (error.retry_after.count() > 0)
    out.headers = "Retry-After: " + std::to_string(error.retry_after.count()) + "\r\n";
}

// 429, if the limits say so.
bool over_limits(const call& c, clock::time_point now) {
  auto& info = telegram::method(c.method);
  arrival x;
  x.counted = !info.has(method_trait::long_poll);
  std::shared_ptr<chat> where;
  if (c.w.windows.enforcing() && info.has(method_trait::produces_message)) {
    x.paid_broadcast = c.args.flag("allow_paid_broadcast");
    where = c.w.chat_of(*c.b, c.args.text("chat_id"));
    if (where) {
      x.chat = &where->windows;
      x.group = where->group();
    }
  }
  auto wait = c.w.windows.arrive(x, c.b->windows, now);
  if (!wait)
    return false;
  c.fail(telegram::too_many_requests(*wait));
  return true;
}

net::http_pending execute(const call& c, const net::http_request& request) {
  if (c.method == get_updates_index)
    return get_updates(c, request);
  run_method(c);
  return std::nullopt;
}

telegram::api_error error_of(const fault& x) {
  if (x.kind == fault_kind::flood || x.error_code == 429)
    return telegram::too_many_requests(x.retry_after);
  telegram::api_error error{
    .code = x.error_code, .description = x.description, .retry_after = x.retry_after};
  if (error.description.empty())
    error.description = net::http_reason(x.error_code);
  return error;
}

net::http_task<void> pause(std::chrono::microseconds length) {
  auto executor = co_await boost::asio::this_coro::executor;
  waiting_poll::timer_type timer{executor, length};
  co_await timer.async_wait(net::use_http_task);
}

// Until the client goes away or faults are removed.
net::http_task<void> hang(world& w) {
  for (auto epoch = w.faults.epoch(); w.faults.epoch() == epoch;)
    co_await pause(hang_check);
}

// A request that meets faults or latency. Owns what a call needs beyond the request.
struct slow_call {
  world& w;
  std::shared_ptr<bot> b;
  std::uint16_t method;
  parameters args;
  const net::http_request& request;
  net::http_response& out;
  bool counted = false;

  slow_call(world& of, std::shared_ptr<bot> owner, std::uint16_t index,
            const net::http_request& from, net::http_response& to)
    : w(of), b(std::move(owner)), method(index), request(from), out(to) {}
  slow_call(const slow_call&) = delete;
  slow_call& operator=(const slow_call&) = delete;
  ~slow_call() {
    if (!counted)
      w.stats.count(request.thread, method, status);
  }

  int status = 0; ///< 0: no answer was sent.
};

net::http_task<void> run_slowly(std::unique_ptr<slow_call> x) {
  auto& w = x->w;
  fault_query query{x->b->id, x->method, x->args.integer("chat_id").value_or(0)};
  auto hit = w.faults.hit(query, w.now());
  auto kind = hit ? std::optional{hit->kind} : std::nullopt;
  auto delay = w.settings.latency.draw();
  if (kind == fault_kind::hang)
    co_await hang(w);
  if (kind == fault_kind::hang || kind == fault_kind::reset_before) {
    x->out.ending = net::http_ending::reset;
    co_return;
  }
  if (kind == fault_kind::status || kind == fault_kind::flood) {
    answer_error(x->out, error_of(*hit));
  } else {
    call c{w, x->b, x->method, x->args, x->out};
    auto pending = execute(c, x->request);
    if (auto* poll = pending.cancellable()) {
      x->counted = true; // It counts itself.
      co_await std::move(*poll);
    }
  }
  if (kind == fault_kind::latency)
    delay += hit->latency.draw();
  if (delay.count() > 0)
    co_await pause(delay);
  if (kind == fault_kind::reset_after) {
    x->out.ending = net::http_ending::reset;
    co_return;
  }
  if (kind == fault_kind::half_answer)
    x->out.ending = net::http_ending::half;
  else
    x->status = x->out.status;
}

bool logged_out(world& w, const bot& b) {
  auto until = b.logged_out_until.load(std::memory_order_relaxed);
  return until != 0 && w.now().time_since_epoch().count() < until;
}

} // namespace

net::http_pending serve_api(world& w, const net::http_request& request, net::http_response& out) {
  auto path = request.path();
  std::string decoded;
  if (path.find('%') != std::string_view::npos) { // The colon as %3A.
    decoded = percent_decoded(path, false);
    path = decoded;
  }
  auto parts = split(path);
  thread_local parameters args;
  args.clear();
  auto unreadable = args.read(request);
  if (parts.method.empty())
    parts.method = args.text("method");
  auto method = telegram::find_method(parts.method);
  auto b = w.find_bot(parts.token);
  auto refuse = [&](const telegram::api_error& error) {
    answer_error(out, error);
    w.stats.count(request.thread, method, error.code);
    return std::nullopt;
  };
  if (!b)
    return refuse(telegram::unauthorized());
  if (logged_out(w, *b))
    return refuse({.code = 400, .description = "Logged out"});
  if (method == telegram::unknown_method)
    return refuse(telegram::method_not_found());
  if (unreadable)
    return refuse(*unreadable);
  call c{w, b, method, args, out};
  if (!telegram::method(method).has(method_trait::long_poll))
    w.arrivals.note(b->id);
  if (w.windows.watching() && over_limits(c, w.now())) {
    w.stats.count(request.thread, method, out.status);
    return std::nullopt;
  }
  if (w.faults.any() || w.settings.latency) {
    auto slow = std::make_unique<slow_call>(w, b, method, request, out);
    if (slow->args.read(request)) // It could be read a moment ago.
      return std::nullopt;
    return run_slowly(std::move(slow));
  }
  auto pending = execute(c, request);
  if (!pending)
    w.stats.count(request.thread, method, out.status);
  return pending;
}

void serve_file(world& w, const net::http_request& request, net::http_response& out) {
  auto path = request.path();
  path.remove_prefix(std::string_view{"/file/bot"}.size());
  auto slash = path.find('/');
  auto token = percent_decoded(path.substr(0, slash), false);
  if (!w.find_bot(token))
    return answer_error(out, telegram::unauthorized());
  auto rest = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  auto file = w.files.find_path(percent_decoded(rest, false));
  if (!file)
    return answer_error(out, {.code = 404, .description = "Not Found"});
  out.content_type = "application/octet-stream";
  out.body = *file->content;
}

} // namespace troupe::sandbox

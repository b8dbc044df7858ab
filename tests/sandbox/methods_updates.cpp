// How updates reach a bot: getUpdates and the webhook methods.
#include "tests/sandbox/updates.hpp"
#include "tests/sandbox/webhook.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>

namespace troupe::sandbox {

namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

constexpr std::int64_t longest_poll = 50; // Seconds.
constexpr std::size_t longest_secret = 256;

// `allowed_updates`: not given: as before; an empty list: the default; unknown names are skipped.
void read_allowed(const call& c, bot& b) {
  auto text = c.args.find("allowed_updates");
  if (!text)
    return;
  boost::system::error_code error;
  auto list = json::parse({text->data(), text->size()}, error);
  if (error || !list.is_array())
    return;
  std::uint64_t mask = 0;
  for (auto& x : list.get_array())
    if (auto* name = x.if_string())
      if (auto kind = telegram::find_update_kind({name->data(), name->size()});
          kind != telegram::unknown_update_kind)
        mask |= std::uint64_t{1} << kind;
  b.allowed = list.get_array().empty() || mask == 0 ? default_allowed_updates() : mask;
}

std::string allowed_json(std::uint64_t mask) {
  std::string out = "[";
  auto kinds = telegram::update_kinds();
  for (std::size_t i = 0; i < kinds.size(); ++i)
    if ((mask >> i) & 1)
      out += (out.size() > 1 ? ",\"" : "\"") + std::string{kinds[i].name} + '"';
  return out + ']';
}

telegram::api_error poll_error(waiting_poll::wake reason) {
  using enum waiting_poll::wake;
  if (reason == other_poll)
    return telegram::conflict("terminated by other getUpdates request; make sure that only one bot "
                              "instance is running");
  if (reason == webhook_set)
    return telegram::conflict("terminated by setWebhook request");
  return {.code = 401, .description = "Unauthorized"};
}

void answer_updates(net::http_response& out, const std::string& list) {
  out.body = R"({"ok":true,"result":[)";
  out.body += list;
  out.body += "]}";
}

// A poll that waits: registered with its bot while it lives, counted when it ends.
struct open_poll {
  open_poll(world& of, std::shared_ptr<bot> owner, std::shared_ptr<waiting_poll> waiter,
            std::uint16_t index, unsigned on_thread)
    : w(of), b(std::move(owner)), me(std::move(waiter)), method(index), thread(on_thread) {
    std::lock_guard lock{b->mutex};
    w.windows.polls_open(++b->polls_open);
    b->wake_poll(waiting_poll::wake::other_poll);
    b->poll = me;
  }
  open_poll(const open_poll&) = delete;
  open_poll& operator=(const open_poll&) = delete;
  ~open_poll() {
    w.stats.count(thread, method, status);
    std::lock_guard lock{b->mutex};
    --b->polls_open;
    if (b->poll == me)
      b->poll.reset();
  }

  world& w;
  std::shared_ptr<bot> b;
  std::shared_ptr<waiting_poll> me;
  std::uint16_t method;
  unsigned thread;
  int status = 0; ///< 0: the client went away.
};

struct poll_request {
  std::int64_t offset;
  std::size_t limit;
  std::chrono::steady_clock::time_point deadline; // Of the real clock.
};

// Answers if there is something to say. The bot's mutex is held.
bool try_answer(open_poll& poll, const poll_request& what, net::http_response& out) {
  using enum waiting_poll::wake;
  auto reason = std::exchange(poll.me->reason, none);
  if (poll.b->hook)
    reason = webhook_set;
  if (reason != none && reason != updates) {
    auto error = poll_error(reason);
    out.status = poll.status = error.code;
    out.body = telegram::to_json(error);
    return true;
  }
  std::string list;
  auto count = poll.b->updates.read(what.offset, what.limit, poll.w.now(), list);
  if (count == 0 && clock::now() < what.deadline) {
    poll.b->poll = poll.me; // It may have been woken for nothing.
    return false;
  }
  poll.status = 200;
  answer_updates(out, list);
  return true;
}

net::http_task<void> wait_for_updates(world& w, std::shared_ptr<bot> b, std::uint16_t method,
                                      unsigned thread, poll_request what, net::http_response& out) {
  auto executor = co_await boost::asio::this_coro::executor;
  auto waiter = std::make_shared<waiting_poll>(executor);
  open_poll poll{w, std::move(b), waiter, method, thread};
  for (;;) {
    {
      std::lock_guard lock{poll.b->mutex};
      if (try_answer(poll, what, out))
        co_return;
    }
    // Whoever wakes us from now on posts to this thread: it comes after the wait has begun.
    waiter->timer.expires_at(what.deadline);
    boost::system::error_code ec;
    co_await waiter->timer.async_wait(boost::asio::redirect_error(net::use_http_task, ec));
    auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none)
      throw boost::system::system_error{boost::asio::error::operation_aborted};
  }
}

} // namespace

net::http_pending get_updates(const call& c, const net::http_request& request) {
  auto offset = c.args.integer("offset").value_or(0);
  auto limit = static_cast<std::size_t>(
    std::clamp<std::int64_t>(c.args.integer("limit").value_or(100), 1, 100));
  auto timeout = std::clamp<std::int64_t>(c.args.integer("timeout").value_or(0), 0, longest_poll);
  auto& b = *c.b;
  std::lock_guard lock{b.mutex};
  if (b.hook) {
    c.fail(telegram::conflict("can't use getUpdates method while webhook is active; use "
                              "deleteWebhook to delete the webhook first"));
    return std::nullopt;
  }
  read_allowed(c, b);
  if (offset < 0) {
    b.updates.keep_last(static_cast<std::size_t>(-std::max<std::int64_t>(offset, -1'000'000)));
    offset = 0;
  } else {
    b.updates.confirm_below(offset);
  }
  std::string list;
  auto count = b.updates.read(offset, limit, c.w.now(), list);
  if (count > 0 || timeout == 0) {
    if (b.polls_open > 0)
      c.w.windows.polls_open(b.polls_open + 1);
    answer_updates(c.out, list);
    return std::nullopt;
  }
  poll_request what{offset, limit, clock::now() + std::chrono::seconds{timeout}};
  return wait_for_updates(c.w, c.b, c.method, request.thread, what, c.out);
}

namespace {

// The new webhook's target. Nullopt: `c` has been answered.
std::optional<webhook_target> read_target(const call& c) {
  auto target = parse_webhook_url(c.args.text("url"));
  if (!target) {
    c.bad_request("invalid webhook URL specified");
    return std::nullopt;
  }
  auto secret = c.args.text("secret_token");
  if (secret.size() > longest_secret) {
    c.bad_request("secret token is too long");
    return std::nullopt;
  }
  for (char x : secret)
    if (!((x >= '0' && x <= '9') || (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || x == '_'
          || x == '-')) {
      c.bad_request("secret token contains unallowed characters");
      return std::nullopt;
    }
  target->secret = secret;
  target->fixed_ip = c.args.text("ip_address");
  target->max_connections = static_cast<std::uint32_t>(
    std::clamp<std::int64_t>(c.args.integer("max_connections").value_or(40), 1, 100));
  if (auto* file = c.args.file("certificate"))
    target->certificate = file->content;
  return target;
}

bool same(const webhook_target& x, const webhook_target& y) {
  return x.url == y.url && x.secret == y.secret && x.fixed_ip == y.fixed_ip
         && x.max_connections == y.max_connections && x.certificate.empty()
         && y.certificate.empty();
}

void remove_webhook(const call& c) {
  std::lock_guard lock{c.b->mutex};
  if (c.args.flag("drop_pending_updates"))
    c.b->updates.clear();
  auto hook = std::exchange(c.b->hook, nullptr);
  if (!hook)
    return c.ok("true", "Webhook is already deleted");
  hook->close();
  c.ok("true", "Webhook was deleted");
}

void set_webhook(const call& c) {
  if (c.args.text("url").empty())
    return remove_webhook(c);
  auto now = c.w.now();
  auto& b = *c.b;
  std::lock_guard lock{b.mutex};
  if (now < b.next_set_webhook)
    return c.fail(telegram::too_many_requests(1s));
  b.next_set_webhook = now + 1s;
  auto target = read_target(c);
  if (!target)
    return;
  read_allowed(c, b);
  auto drop = c.args.flag("drop_pending_updates");
  if (b.hook && same(b.hook->target(), *target) && !drop)
    return c.ok("true", "Webhook is already set");
  if (drop)
    b.updates.clear();
  b.wake_poll(waiting_poll::wake::webhook_set);
  if (b.hook)
    b.hook->close();
  b.hook = c.w.webhooks().make(c.b, std::move(*target));
  b.hook->kick();
  c.ok("true", "Webhook was set");
}

void get_webhook_info(const call& c) {
  auto& b = *c.b;
  std::lock_guard lock{b.mutex};
  b.updates.expire(c.w.now());
  auto& out = c.begin();
  out += R"({"url":)";
  telegram::append_json_string(out, b.hook ? b.hook->target().url : std::string{});
  out += R"(,"has_custom_certificate":)";
  out += b.hook && !b.hook->target().certificate.empty() ? "true" : "false";
  out += R"(,"pending_update_count":)" + std::to_string(b.updates.size());
  if (b.hook) {
    auto history = b.hook->history();
    if (history.last_error_date != 0) {
      out += R"(,"last_error_date":)" + std::to_string(history.last_error_date)
             + R"(,"last_error_message":)";
      telegram::append_json_string(out, history.last_error_message);
    }
    out += R"(,"max_connections":)" + std::to_string(b.hook->target().max_connections);
    if (!history.ip_address.empty())
      out += R"(,"ip_address":")" + history.ip_address + '"';
  }
  if (b.allowed != default_allowed_updates())
    out += R"(,"allowed_updates":)" + allowed_json(b.allowed);
  out += '}';
  c.end();
}

constexpr method_entry updates_table[]{
  {"setWebhook", set_webhook},
  {"deleteWebhook", remove_webhook},
  {"getWebhookInfo", get_webhook_info},
};

} // namespace

void run_webhook_reply(world& w, const std::shared_ptr<bot>& b, const webhook_answer& answer) {
  if (answer.body.empty())
    return;
  parameters args;
  if (args.read_body(answer.content_type, answer.body))
    return;
  auto method = telegram::find_method(args.text("method"));
  auto& info = telegram::method(method);
  if (method == telegram::unknown_method || info.has(telegram::method_trait::local)
      || info.has(telegram::method_trait::delivery) || info.name.starts_with("get"))
    return;
  net::http_response ignored; // Its result is never known to the bot.
  run_method({w, b, method, args, ignored});
}

std::span<const method_entry> update_methods() {
  return updates_table;
}

} // namespace troupe::sandbox

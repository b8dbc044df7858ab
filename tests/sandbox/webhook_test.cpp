#define CAF_SUITE sandbox_webhook
#include "tests/sandbox/client.hpp"

#include "runtime/net/http_server.hpp"
#include "tests/sandbox/webhook_client.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/json/parse.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace troupe::webhook_suite {

using namespace troupe::sandbox;
using namespace troupe::sandbox::testing;
using namespace std::literals;

namespace {

/// A bot's own server: keeps what it gets and answers as told.
struct receiver {
  struct got {
    std::string secret;
    std::string path;
    boost::json::value update;
  };
  struct plan {
    int status = 200;
    std::string headers;
    std::string body;
    std::string content_type = "application/json";
    std::chrono::milliseconds takes{0};
  };

  explicit receiver(const certificate* tls = nullptr)
    : server(config(tls), [this](const net::http_request& r, net::http_response& out) {
        return serve(r, out);
      }) {
    server.start();
    url = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(server.port())
          + "/hook?x=1";
  }

  static net::http_server_config config(const certificate* tls) {
    net::http_server_config result;
    result.threads = 1;
    if (tls) {
      result.tls_cert = tls->cert;
      result.tls_key = tls->key;
    }
    return result;
  }

  net::http_pending serve(const net::http_request& r, net::http_response& out) {
    std::lock_guard lock{mutex};
    open = open + 1;
    largest_open = std::max(largest_open, open);
    all.push_back({std::string{r.header("X-Telegram-Bot-Api-Secret-Token")}, std::string{r.target},
                   boost::json::parse({r.body.data(), r.body.size()})});
    auto now = next;
    if (fail_times > 0) {
      --fail_times;
      now.status = 500;
    }
    out.status = now.status;
    out.headers = now.headers;
    out.body = now.body;
    out.content_type = now.content_type == "application/json" ? "application/json"
                                                              : "application/x-www-form-urlencoded";
    return finish(now.takes);
  }

  net::http_task<void> finish(std::chrono::milliseconds takes) {
    using timer_type =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>,
                                        net::http_executor>;
    auto executor = co_await boost::asio::this_coro::executor;
    timer_type timer{executor, takes};
    co_await timer.async_wait(net::use_http_task);
    std::lock_guard lock{mutex};
    --open;
  }

  std::size_t count() {
    std::lock_guard lock{mutex};
    return all.size();
  }
  std::vector<std::string> texts() {
    std::lock_guard lock{mutex};
    std::vector<std::string> result;
    for (auto& x : all)
      result.emplace_back(x.update.at("message").at("text").get_string());
    return result;
  }

  std::mutex mutex;
  std::vector<got> all;
  plan next;
  int fail_times = 0;
  int open = 0;
  int largest_open = 0;
  std::string url;
  net::http_server server; // Last: it ends first.
};

struct fixture : scene {
  fixture() : scene(quick()) {}

  reply set(const receiver& r, std::string_view more = {}) {
    return call("setWebhook", R"({"url":")" + r.url + '"' + std::string{more} + "}");
  }
  bool failed() {
    return call("getWebhookInfo").result().as_object().contains("last_error_message");
  }
  std::int64_t pending() {
    return call("getWebhookInfo").result().at("pending_update_count").to_number<std::int64_t>();
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a webhook gets what waited and what comes, with its secret") {
  receiver r;
  say("before");
  auto answer = set(r, R"(,"secret_token":"s3cret_-","max_connections":7)");
  CHECK_EQ(answer.body, R"({"ok":true,"result":true,"description":"Webhook was set"})");
  say("after");
  CHECK(until([&] { return r.count() == 2; }));
  CHECK_EQ(r.texts(), (std::vector{"before"s, "after"s}));
  CHECK_EQ(r.all[0].secret, "s3cret_-");
  CHECK_EQ(r.all[0].path, "/hook?x=1");
  CHECK_EQ(r.all[0].update.as_object().begin()->key(), "update_id");
  CHECK(until([&] { return pending() == 0; }));
  auto info = call("getWebhookInfo").result();
  CHECK_EQ(std::string{info.at("url").get_string()}, r.url);
  CHECK_EQ(info.at("max_connections").to_number<int>(), 7);
  CHECK_EQ(info.at("ip_address"), "127.0.0.1");
  CHECK_EQ(control("GET", "stats").at("updates").at("delivered_by_webhook").to_number<int>(), 2);
}

SCENARIO("webhook and getUpdates exclude each other") {
  receiver r;
  set(r);
  auto refused = call("getUpdates");
  CHECK_EQ(refused.status, 409);
  CHECK_EQ(refused.description(), "Conflict: can't use getUpdates method while webhook is active; "
                                  "use deleteWebhook to delete the webhook first");
  CHECK_EQ(call("deleteWebhook").description(), "Webhook was deleted");
  CHECK_EQ(call("deleteWebhook").description(), "Webhook is already deleted");
  CHECK_EQ(call("getUpdates").status, 200);
}

SCENARIO("setWebhook is limited, idempotent and checked") {
  receiver r;
  CHECK_EQ(set(r).status, 200);
  auto again = set(r);
  CHECK_EQ(again.status, 429);
  CHECK_EQ(again.headers["retry-after"], "1");
  control("POST", "clock", R"({"advance":"2s"})");
  CHECK_EQ(set(r).description(), "Webhook is already set");
  control("POST", "clock", R"({"advance":"2s"})");
  CHECK_EQ(set(r, R"(,"secret_token":"a b")").description(),
           "Bad Request: secret token contains unallowed characters");
  control("POST", "clock", R"({"advance":"2s"})");
  CHECK_EQ(call("setWebhook", R"({"url":"ftp://x"})").description(),
           "Bad Request: invalid webhook URL specified");
}

SCENARIO("a failed delivery is repeated and keeps the order of its chat") {
  receiver r;
  r.fail_times = 1;
  set(r);
  say("one");
  say("two");
  CHECK(until([&] { return r.count() == 3; }));
  CHECK_EQ(r.texts(), (std::vector{"one"s, "one"s, "two"s}));
  auto info = call("getWebhookInfo").result();
  CHECK_EQ(info.at("last_error_message"),
           "Wrong response from the webhook: 500 Internal Server Error");
}

SCENARIO("the second repetition waits for the sandbox's clock") {
  receiver r;
  r.fail_times = 2;
  set(r);
  say("stubborn");
  CHECK(until([&] { return r.count() == 2; }));
  CHECK_EQ(pending(), 1);
  control("POST", "clock", R"({"advance":"3s"})");
  CHECK(until([&] { return r.count() == 3; }));
  CHECK(until([&] { return pending() == 0; }));
}

SCENARIO("Retry-After is honoured") {
  receiver r;
  r.next = {.status = 503, .headers = "Retry-After: 100\r\n", .body = {}};
  set(r);
  say("later");
  CHECK(until([&] { return failed(); }));
  control("POST", "clock", R"({"advance":"90s"})");
  CHECK_EQ(pending(), 1);
  {
    std::lock_guard lock{r.mutex};
    r.next = {};
  }
  control("POST", "clock", R"({"advance":"11s"})");
  CHECK(until([&] { return pending() == 0; }));
  CHECK_EQ(r.count(), 2u);
}

SCENARIO("one chat is served in order, several side by side") {
  receiver r;
  r.next.takes = 50ms;
  set(r);
  auto other = control("POST", "users", R"({"first_name":"Bob"})").at("id").to_number<int>();
  control("POST", "chats",
          R"({"type":"private","bot":)" + std::to_string(bot) + R"(,"users":[)"
            + std::to_string(other) + "]}");
  for (auto text : {"1", "2", "3"}) {
    say(text);
    control("POST", "chats/" + std::to_string(other) + "/messages",
            R"({"user":)" + std::to_string(other) + R"(,"text":"other"})");
  }
  CHECK(until([&] { return r.count() == 6; }));
  auto texts = r.texts();
  std::erase(texts, "other");
  CHECK_EQ(texts, (std::vector{"1"s, "2"s, "3"s}));
  CHECK_EQ(r.largest_open, 2);
}

SCENARIO("an answer may carry a method call, but not any") {
  receiver r;
  r.next.body =
    R"({"method":"sendMessage","chat_id":)" + std::to_string(user) + R"(,"text":"by the way"})";
  set(r);
  say("hello");
  auto list = [this] {
    return control("GET", "chats/" + std::to_string(user) + "/messages?from=bot")
      .at("messages")
      .get_array();
  };
  CHECK(until([&] { return list().size() == 1; }));
  CHECK_EQ(list().at(0).at("text"), "by the way");
  {
    std::lock_guard lock{r.mutex};
    r.next.content_type = "form";
    r.next.body = "method=sendmessage&text=form&chat_id=" + std::to_string(user);
  }
  say("again");
  CHECK(until([&] { return list().size() == 2; }));
  {
    std::lock_guard lock{r.mutex};
    r.next.body = "method=logOut";
  }
  say("out?");
  CHECK(until([&] { return r.count() == 3 && pending() == 0; }));
  CHECK_EQ(call("getMe").status, 200);
}

SCENARIO("HTTPS webhooks are delivered, and checked against the certificate that was uploaded") {
  certificate mine;
  receiver r{&mine};
  set(r);
  say("over TLS");
  CHECK(until([&] { return r.count() == 1; }));
  certificate foreign;
  auto upload = [&](const certificate& x) {
    control("POST", "clock", R"({"advance":"2s"})");
    auto body = "--b\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\n" + r.url
                + "\r\n--b\r\nContent-Disposition: form-data; name=\"certificate\"; "
                  "filename=\"c.pem\"\r\n\r\n"
                + x.cert_text() + "\r\n--b--\r\n";
    return http.post(path("setWebhook"), body, "multipart/form-data; boundary=b").status;
  };
  CHECK_EQ(upload(foreign), 200);
  say("to a stranger");
  CHECK(until(
    [&] { return call("getWebhookInfo").result().as_object().contains("last_error_message"); }));
  CHECK_EQ(r.count(), 1u);
  CHECK_EQ(upload(mine), 200);
  CHECK(until([&] { return r.count() == 2; }));
  CHECK(call("getWebhookInfo").result().at("has_custom_certificate").get_bool());
}

SCENARIO("a webhook that says 410 for a day is removed") {
  receiver r;
  r.next.status = 410;
  set(r);
  say("gone");
  CHECK(until([&] { return r.count() == 2; }));
  CHECK_EQ(std::string{call("getWebhookInfo").result().at("url").get_string()}, r.url);
  control("POST", "clock", R"({"advance":"23h"})");
  CHECK(until([&] { return call("getWebhookInfo").result().at("url") == ""; }));
}

SCENARIO("nobody at the other end is an error that can be read") {
  call("setWebhook", R"({"url":"http://127.0.0.1:1/"})");
  say("anybody?");
  CHECK(until([&] {
    auto info = call("getWebhookInfo").result().as_object();
    return info.contains("last_error_message")
           && info.at("last_error_message") == "Connection refused";
  }));
}

END_FIXTURE_SCOPE()

SCENARIO("webhook URLs are taken apart") {
  auto x = parse_webhook_url("https://[::1]:8443/a?b#c");
  if (CHECK(x.has_value())) {
    CHECK_EQ(x->host, "::1");
    CHECK_EQ(x->port, "8443");
    CHECK_EQ(x->path, "/a?b");
    CHECK(x->secure);
  }
  CHECK_EQ(parse_webhook_url("http://host?q")->path, "/?q");
  CHECK_EQ(parse_webhook_url("https://host")->port, "443");
  for (auto bad : {"", "host", "ftp://host", "http://", "http://user@host/", "http://h:/",
                   "http://h:12x/", "http://h/a b", "http://h/\r\nX: y"})
    CHECK(!parse_webhook_url(bad));
}

} // namespace troupe::webhook_suite

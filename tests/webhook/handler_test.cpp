#define CAF_SUITE webhook_handler
#include "runtime/webhook/handler.hpp"

#include "messages/cluster.hpp"
#include "messages/journal.hpp"
#include "messages/store.hpp"
#include "runtime/registry/cluster_view.hpp"
#include "runtime/registry/update_services.hpp"
#include "runtime/updates/settings.hpp"
#include "runtime/webhook/path.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <caf/test/bdd_dsl.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

namespace troupe::handler_suite {

using namespace std::literals;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

namespace {

/// What the journal is asked, and what it answers.
struct journal_notes {
  std::mutex mutex;
  std::vector<update_append> appended;
  caf::error refusal;
  bool silent = false;
  std::vector<caf::typed_response_promise<append_result>> kept;
};

journal_actor::behavior_type fake_journal(journal_actor::pointer self,
                                          std::shared_ptr<journal_notes> notes) {
  return {
    [=](const update_append& x) -> caf::result<append_result> {
      std::lock_guard guard{notes->mutex};
      if (notes->refusal)
        return notes->refusal;
      bool before = false;
      for (auto& one : notes->appended)
        before =
          before || (one.bot == x.bot && one.updates[0].body.str() == x.updates[0].body.str());
      notes->appended.push_back(x);
      if (notes->silent) {
        notes->kept.push_back(self->make_response_promise<append_result>());
        return notes->kept.back();
      }
      return append_result{before ? 0u : 1u, before ? 1u : 0u};
    },
    [](const update_fetch&) { return update_page{}; },
    [](const update_ends&) {},
    [](const update_confirm&) { return confirm_result{}; },
    [](const journal_attach&) { return pending_count{}; },
    [](const journal_forget&) {},
    [](const pending_query&) { return pending_count{}; },
    [](const dead_letter_query&) { return dead_letter_page{}; },
    [](const dead_letter_replay&) { return replay_result{}; },
    [](const journal_limits&) {},
    [](const get_report&) { return journal_report{}; },
    [](const pasts_keep&) { return done{}; },
    [](const pasts_ask&) { return pasts_kept{}; },
    [](const shards_gained&) { return done{}; },
    [](const shards_lost&) { return done{}; },
    [](const box_filled&) {},
  };
}

webhooks_actor::behavior_type fake_webhooks(webhooks_actor::pointer,
                                            std::function<void(const code_received&)> told) {
  return {
    [](const bot_served&) {},
    [](const bot_gone&) {},
    [](const webhook_release&) {},
    [](const intake_check&) {},
    [=](const code_received& x) { told(x); },
    [](const intake_query&) { return intake_view{}; },
    [](const polls_query&) { return polls_list{}; },
    [](const get_report&) { return webhooks_report{}; },
  };
}

struct answer {
  int status = 0;
  std::string body;
  std::string retry_after;
};

constexpr bot_id bot = 4711;

struct handler_fixture {
  handler_fixture() : sys(config) {
    found->updates = std::make_shared<update_services>();
    journal = sys.spawn(fake_journal, notes);
    found->updates->journal.publish(journal);
    webhooks = sys.spawn(fake_webhooks, [this](const code_received& x) {
      std::lock_guard guard{codes_mutex};
      codes.push_back(x);
      codes_count = codes.size();
    });
    found->updates->webhooks.publish(webhooks);
    serve(bot, bot_phase::active);
    how.path = "/under";
    how.max_body = 2000;
    how.journal_timeout = 200ms;
    to.system = &sys;
    to.found = found;
    to.names = names;
    to.secret = secret;
    to.counted = [this](webhook::ending x) { ++counts[static_cast<std::size_t>(x)]; };
    to.draining = [this] { return draining.load(); };
  }
  ~handler_fixture() {
    server.reset();
    found->updates->journal.publish({});
    found->updates->webhooks.publish({});
    notes->kept.clear();
    if (found->cluster)
      found->cluster->set_others({}, unowned_shards());
    to.store = nullptr;
    for (auto& one : {desk, store})
      if (one)
        caf::anon_send_exit(one, caf::exit_reason::kill);
    caf::anon_send_exit(journal, caf::exit_reason::kill);
    caf::anon_send_exit(webhooks, caf::exit_reason::kill);
  }

  void serve(bot_id id, bot_phase phase) {
    auto digest = token_hash({1, 2}, std::to_string(id) + ":x");
    names->put(digest, id, 1, true, std::chrono::steady_clock::now());
    names->set_phase(digest.key, id, phase);
    found->updates->book.put(id, std::make_shared<const updates::update_settings>());
  }
  void start() {
    net::http_server_config config;
    auto handler = webhook::make_handler(config, how, to);
    server = std::make_unique<net::http_server>(config, std::move(handler));
    server->start();
  }
  answer send(http::verb method, std::string_view path, std::string_view token, std::string body) {
    if (!server)
      start();
    boost::asio::io_context io;
    tcp::socket socket{io};
    socket.connect({boost::asio::ip::address_v4::loopback(), server->port()});
    http::request<http::string_body> ask{method, path, 11};
    ask.set(http::field::host, "localhost");
    if (!token.empty())
      ask.set("X-Telegram-Bot-Api-Secret-Token", token);
    ask.body() = std::move(body);
    ask.prepare_payload();
    boost::system::error_code ec;
    http::write(socket, ask, ec);
    boost::beast::flat_buffer buffer;
    http::response<http::string_body> got;
    http::read(socket, buffer, got, ec);
    return {got.result_int() == 0 ? 0 : static_cast<int>(got.result_int()), got.body(),
            std::string{got[http::field::retry_after]}};
  }
  answer post(std::string body, bot_id id = bot) {
    return send(http::verb::post, "/webhook/" + std::to_string(id), secret->of(id),
                std::move(body));
  }
  /// Another node beside this one: bots are its own unless this one has them. Its desk keeps what
  /// it is told; the store knows `stored`.
  void join() {
    found->cluster = std::make_shared<cluster_view>();
    desk = sys.spawn([this]() -> caf::behavior {
      return {[this](const peer_request& x) {
        std::lock_guard guard{codes_mutex};
        if (x.to == peer_part::webhooks && x.what.match_elements<code_received>())
          passed.push_back(x.what.get_as<code_received>(0));
        passed_count = passed.size();
      }};
    });
    store = sys.spawn([this]() -> caf::behavior {
      return {[this](const bot_lookup& x) -> caf::result<bot_batch> {
        ++lookups;
        if (store_fails)
          return caf::make_error(store_refusal::unavailable);
        bot_batch found;
        std::lock_guard guard{codes_mutex};
        for (auto id : x.ids)
          if (auto known = stored.find(id); known != stored.end()) {
            found.bots.emplace_back().id = id;
            found.bots.back().phase = known->second;
          }
        return found;
      }};
    });
    to.store = [this] { return caf::actor_cast<store_actor>(store); };
    found->cluster->set_others({{"other", desk}}, shard_owners{});
  }
  std::uint64_t counted(webhook::ending x) { return counts[static_cast<std::size_t>(x)]; }

  caf::actor_system_config config;
  caf::actor_system sys;
  std::shared_ptr<journal_notes> notes = std::make_shared<journal_notes>();
  std::shared_ptr<services> found = std::make_shared<services>();
  std::shared_ptr<directory> names = std::make_shared<directory>();
  std::shared_ptr<const updates::webhook_secret> secret = std::make_shared<updates::webhook_secret>(
    crypto::secret_key{std::vector<std::uint8_t>(crypto::secret_key::size, 7)});
  journal_actor journal;
  webhooks_actor webhooks;
  std::atomic<bool> draining{false};
  std::array<std::atomic<std::uint64_t>, webhook::ending_names.size()> counts{};
  std::mutex codes_mutex;
  std::vector<code_received> codes;
  std::atomic<std::size_t> codes_count{0};
  caf::actor desk;
  caf::actor store;
  std::map<bot_id, bot_phase> stored;
  std::vector<code_received> passed; ///< To the owner.
  std::atomic<std::size_t> passed_count{0};
  std::atomic<int> lookups{0};
  std::atomic<bool> store_fails{false};
  webhook::settings how;
  webhook::ports to;
  std::unique_ptr<net::http_server> server; ///< Ends first.
};

const std::string update = R"({"update_id":5,"message":{"chat":{"id":9},"text":"hi"}})";

} // namespace

CAF_TEST_FIXTURE_SCOPE(webhook_handler_tests, handler_fixture)

SCENARIO("an update is answered with 200 when the journal has it") {
  CHECK_EQ(post(update).status, 200);
  REQUIRE_EQ(notes->appended.size(), 1u);
  auto& x = notes->appended[0];
  CHECK_EQ(x.bot, bot);
  CHECK_EQ(x.updates[0].id, 5);
  CHECK_EQ(x.updates[0].body.str(), update);
  CHECK_EQ(x.updates[0].key.id, 9);
  CHECK_EQ(counted(webhook::ending::stored), 1u);
  CHECK_EQ(post(update).status, 200);
  CHECK_EQ(counted(webhook::ending::duplicate), 1u);
  CHECK_EQ(send(http::verb::post, "/under/webhook/4711", secret->of(bot), update).status, 200);
}

SCENARIO("without its secret nobody learns whether a bot exists") {
  auto wrong = send(http::verb::post, "/webhook/4711", "wrong", update);
  auto missing = send(http::verb::post, "/webhook/4711", "", update);
  auto of_other = send(http::verb::post, "/webhook/4711", secret->of(4712), update);
  auto unknown = send(http::verb::post, "/webhook/4712", "wrong", update);
  auto garbage = send(http::verb::post, "/webhook/4711", "wrong", "garbage");
  draining = true;
  auto stopping = send(http::verb::post, "/webhook/4711", "wrong", update);
  for (auto* x : {&wrong, &missing, &of_other, &unknown, &garbage, &stopping}) {
    CHECK_EQ(x->status, 403);
    CHECK_EQ(x->body, wrong.body);
  }
  CHECK(notes->appended.empty());
  CHECK_EQ(counted(webhook::ending::wrong_secret), 6u);
}

SCENARIO("who does not know the secret is not listened to any further") {
  start();
  auto head = [](const std::string& token) {
    return "POST /webhook/4711 HTTP/1.1\r\nHost: localhost\r\nX-Telegram-Bot-Api-Secret-Token: "
           + token + "\r\nContent-Length: " + std::to_string(update.size()) + "\r\n\r\n";
  };
  boost::asio::io_context io;
  auto connected = [&] {
    tcp::socket socket{io};
    socket.connect({boost::asio::ip::address_v4::loopback(), server->port()});
    return socket;
  };
  auto stranger = connected();
  boost::asio::write(stranger, boost::asio::buffer(head("wrong")));
  std::string said;
  boost::system::error_code ec;
  boost::asio::read(stranger, boost::asio::dynamic_buffer(said), ec); // To the end, without a body.
  CHECK_EQ(said.substr(0, 12), "HTTP/1.1 403");
  CHECK_EQ(counted(webhook::ending::wrong_secret), 1u);
  // Telegram may take its time.
  auto telegram = connected();
  boost::asio::write(telegram, boost::asio::buffer(head(secret->of(bot)) + update.substr(0, 10)));
  CHECK_EQ(send(http::verb::post, "/webhook/4712", "wrong", update).status, 403);
  boost::asio::write(telegram, boost::asio::buffer(update.substr(10)));
  said.clear();
  boost::asio::read_until(telegram, boost::asio::dynamic_buffer(said), "\r\n");
  CHECK_EQ(said.substr(0, 12), "HTTP/1.1 200");
  CHECK_EQ(notes->appended.size(), 1u);
}

SCENARIO("what is no webhook is refused") {
  CHECK_EQ(send(http::verb::get, "/webhook/4711", secret->of(bot), "").status, 405);
  for (auto path : {"/", "/webhook", "/webhook/", "/webhook/x", "/webhook/4711/", "/webhook/04711",
                    "/webhook/-1", "/webhook/99999999999999999999", "/other/webhook/4711"})
    CHECK_EQ(send(http::verb::post, path, secret->of(bot), update).status, 404);
  CHECK_EQ(post("{}").status, 400);
  CHECK_EQ(post("").status, 400);
  CHECK_EQ(post("{\"update_id\":1,\"x\":\"" + std::string(3000, 'x') + "\"}").status, 413);
  CHECK(notes->appended.empty());
}

SCENARIO("what Telegram would send again and again is kept as well as it can be") {
  CHECK_EQ(post("{\"update_id\":6,\"message\":{\"chat\":{\"id\":9},\"text\":\"a\xFF\"}}").status,
           200);
  CHECK_EQ(post(R"({"update_id":7,"message":{]})").status, 200);
  REQUIRE_EQ(notes->appended.size(), 2u);
  CHECK_EQ(notes->appended[0].updates[0].id, 6);
  CHECK_NE(notes->appended[0].updates[0].body.str().find("a\xEF\xBF\xBD"), std::string::npos);
  CHECK_EQ(notes->appended[1].updates[0].id, unreadable_update);
}

SCENARIO("Telegram keeps what cannot be stored") {
  auto refused_with = [this](caf::error why) {
    std::lock_guard guard{notes->mutex};
    notes->refusal = std::move(why);
  };
  refused_with(caf::make_error(ec::journal_full, refusal{1s}));
  auto full = post(update);
  CHECK_EQ(full.status, 503);
  CHECK_EQ(full.retry_after, "15");
  CHECK_EQ(counted(webhook::ending::full), 1u);
  refused_with(caf::make_error(store_refusal::disk_full));
  auto broken = post(update);
  CHECK_EQ(broken.status, 503);
  CHECK_EQ(broken.retry_after, "5");
  refused_with({});
  notes->silent = true;
  CHECK_EQ(post(update).status, 503); // It does not answer in time.
  notes->silent = false;
  caf::anon_send_exit(journal, caf::exit_reason::kill);
  { // Until it is dead.
    caf::scoped_actor self{sys};
    self->wait_for(journal);
  }
  auto dead = post(update);
  CHECK_EQ(dead.status, 503);
  CHECK_EQ(dead.retry_after, "1");
  found->updates->journal.publish({});
  CHECK_EQ(post(update).status, 503);
  CHECK_EQ(counted(webhook::ending::unavailable), 4u);
}

SCENARIO("a node that starts or stops keeps nothing") {
  names->set_complete(false);
  CHECK_EQ(post(update, 9).status, 503); // It may be stored.
  CHECK_EQ(post(update).status, 200);
  names->set_complete(true);
  CHECK_EQ(post(update, 9).status, 410);
  CHECK_EQ(counted(webhook::ending::unknown_bot), 1u);
  draining = true;
  CHECK_EQ(post(update).status, 503);
  CHECK_EQ(counted(webhook::ending::draining), 1u);
}

SCENARIO("only Telegram's networks may be let in") {
  to.source = [](const net::http_request& x) { return x.header("X-From") == "telegram"; };
  auto refused = post(update);
  CHECK_EQ(refused.status, 403);
  CHECK_EQ(counted(webhook::ending::wrong_source), 1u);
}

SCENARIO("a code for a pending bot is told") {
  auto start = [](int id, std::string_view text) {
    return R"({"update_id":)" + std::to_string(id)
           + R"(,"message":{"from":{"id":77},"chat":{"id":78},"text":")" + std::string{text}
           + "\"}}";
  };
  serve(12, bot_phase::pending);
  CHECK_EQ(post(start(1, "/start ABC"), bot).status, 200); // Its owner is known.
  CHECK_EQ(post(start(1, "hello"), 12).status, 200);
  CHECK_EQ(post(start(2, "/start ABCDEFGHJK"), 12).status, 200);
  CHECK_EQ(post(start(2, "/start ABCDEFGHJK"), 12).status, 200); // Sent again: told once.
  auto deadline = std::chrono::steady_clock::now() + 10s;
  while (codes_count == 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  std::lock_guard guard{codes_mutex};
  REQUIRE_EQ(codes.size(), 1u);
  CHECK_EQ(codes[0].bot, 12);
  CHECK_EQ(codes[0].sender, 77);
  CHECK_EQ(codes[0].chat, 78);
  CHECK_EQ(codes[0].code, "ABCDEFGHJK");
}

SCENARIO("a code is told, once, though so much waits for the pending bot that nothing is stored") {
  serve(12, bot_phase::pending);
  {
    std::lock_guard guard{notes->mutex};
    notes->refusal = caf::make_error(ec::journal_full, refusal{1s});
  }
  auto coded = [](int id) {
    return R"({"update_id":)" + std::to_string(id)
           + R"(,"message":{"from":{"id":77},"chat":{"id":78},"text":"/start ABCDEFGHJK"}})";
  };
  for (int i = 0; i < 3; ++i) // Telegram sends it again and again.
    CHECK_EQ(post(coded(2), 12).status, 503);
  CHECK_EQ(post(coded(3), 12).status, 503);
  auto deadline = std::chrono::steady_clock::now() + 10s;
  while (codes_count < 2 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  std::lock_guard guard{codes_mutex};
  CHECK_EQ(codes.size(), 2u);
}

SCENARIO("many connections of a thread wait for the journal at once") {
  how.threads = 2;
  start();
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i)
    clients.emplace_back([this, i, &good] {
      for (int n = 0; n < 25; ++n) {
        auto body = R"({"update_id":)" + std::to_string(i * 100 + n) + "}";
        good += post(body).status == 200 ? 1 : 0;
      }
    });
  for (auto& x : clients)
    x.join();
  CHECK_EQ(good.load(), 200);
  CHECK_EQ(notes->appended.size(), 200u);
}

SCENARIO("updates of another node's bot are taken here, while the store knows the bot") {
  join();
  constexpr bot_id other = 815;
  stored[other] = bot_phase::active;
  CHECK_EQ(post(update, other).status, 200);
  REQUIRE_EQ(notes->appended.size(), 1u);
  CHECK_EQ(notes->appended[0].bot, other);
  CHECK_EQ(counted(webhook::ending::stored), 1u);
  CHECK_EQ(post(R"({"update_id":6})", other).status, 200);
  CHECK_EQ(lookups.load(), 1); // It is not asked for each update.
  CHECK_EQ(post(update).status, 200);
  CHECK_EQ(lookups.load(), 1); // Nor about a bot of this node's.
  CHECK_EQ(send(http::verb::post, "/webhook/815", "wrong", update).status, 403);
}

SCENARIO(
  "nobody's bot is refused in a cluster, too, and what the store cannot say is asked again") {
  join();
  constexpr bot_id other = 815;
  auto gone = post(update, other);
  CHECK_EQ(gone.status, 410);
  CHECK_EQ(counted(webhook::ending::unknown_bot), 1u);
  store_fails = true;
  auto unsure = post(update, other);
  CHECK_EQ(unsure.status, 503);
  CHECK(!unsure.retry_after.empty());
  CHECK(notes->appended.empty());
  store_fails = false;
  stored[other] = bot_phase::active;
  CHECK_EQ(post(update, other).status, 200);
  notes->refusal = caf::make_error(store_refusal::not_found); // It was removed since.
  CHECK_EQ(post(R"({"update_id":6})", other).status, 410);
  notes->refusal = {};
  // A bot of a shard that is here and served, but not in the book, was removed: nobody is asked.
  auto asked = lookups.load();
  found->cluster->set_fence(shard_of(other), 1);
  found->cluster->set_ready(shard_of(other), true);
  CHECK_EQ(post(update, other).status, 410);
  CHECK_EQ(lookups.load(), asked);
  // While the shard is on its way, its updates are taken all the same.
  found->cluster->set_ready(shard_of(other), false);
  CHECK_EQ(post(R"({"update_id":7})", other).status, 200);
}

SCENARIO("a code that comes to the wrong node is told to the owner, if its bot waits for one") {
  join();
  auto coded = [](int id) {
    return R"({"update_id":)" + std::to_string(id)
           + R"(,"message":{"from":{"id":3},"chat":{"id":9},"text":"/start ABCDEFGHJK"}})";
  };
  stored[815] = bot_phase::active;
  stored[816] = bot_phase::pending;
  CHECK_EQ(post(coded(5), 815).status, 200);
  CHECK_EQ(post(coded(6), 816).status, 200);
  auto deadline = std::chrono::steady_clock::now() + 10s;
  while (passed_count == 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  std::lock_guard guard{codes_mutex};
  REQUIRE_EQ(passed.size(), 1u);
  CHECK_EQ(passed[0].bot, 816);
  CHECK_EQ(passed[0].code, "ABCDEFGHJK");
  CHECK_EQ(passed[0].sender, 3);
}

CAF_TEST_FIXTURE_SCOPE_END()

SCENARIO("a public URL leads to each bot") {
  CHECK_EQ(webhook::path_of("https://a.example"), "");
  CHECK_EQ(webhook::path_of("https://a.example/"), "");
  CHECK_EQ(webhook::path_of("https://a.example:8443/tg/x/"), "/tg/x");
  CHECK_EQ(webhook::url_of("https://a.example/", 5), "https://a.example/webhook/5");
  CHECK_EQ(webhook::url_of("https://a.example/tg", 5), "https://a.example/tg/webhook/5");
  CHECK_EQ(webhook::bot_in("/webhook/5", "").value_or(0), 5);
  CHECK_EQ(webhook::bot_in("/tg/webhook/5", "/tg").value_or(0), 5);
  CHECK(!webhook::bot_in("/tgwebhook/5", "/tg"));
}

} // namespace troupe::handler_suite

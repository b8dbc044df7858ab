#pragma once
#include "runtime/api/errors.hpp"
#include "tests/api/fake_journal.hpp"
#include "tests/api/fake_store.hpp"
#include "tests/api/fakes.hpp"

/// A node with a store: two tenants with keys of every role, and a clock driven by hand.
namespace fakes {

struct managed_node : node {
  std::shared_ptr<memory> kept = std::make_shared<memory>();
  store_actor store = spawn_store(sys, kept);
  registrar_actor registrar = spawn_registrar(sys, kept);
  std::shared_ptr<journal_book> waiting = std::make_shared<journal_book>();
  journal_actor journal = spawn_journal(sys, waiting);
  webhooks_actor webhooks = spawn_webhooks(sys);
  tenant_id other = kept->add_tenant("other");
  std::string boss = kept->add_key(key_role::operator_, 0);
  std::string admin = kept->add_key(key_role::admin, 1);
  std::string developer = kept->add_key(key_role::developer, 1);
  std::string viewer = kept->add_key(key_role::viewer, 1);
  std::string stranger = kept->add_key(key_role::admin, other);
  std::chrono::steady_clock::time_point now{std::chrono::hours{1}};
  std::shared_ptr<api::context> ctx = api::make_context(managed_ports());
  std::string peer = "192.0.2.1";
  std::vector<net::http_header> headers;

  ~managed_node() {
    caf::anon_send_exit(store, caf::exit_reason::kill);
    caf::anon_send_exit(registrar, caf::exit_reason::kill);
    caf::anon_send_exit(journal, caf::exit_reason::kill);
    caf::anon_send_exit(webhooks, caf::exit_reason::kill);
    kept->unanswered.clear();
  }

  api::ports managed_ports() {
    auto p = ports();
    // Whoever notes something in the trail may outlive this.
    p.store = [store = store] { return store; };
    p.registrar = [registrar = registrar] { return registrar; };
    p.events = std::make_shared<event_hub>();
    p.journal = [journal = journal] { return journal; };
    p.webhooks = [webhooks = webhooks] { return webhooks; };
    p.signing_key = [](bot_id bot) { return "key of " + std::to_string(bot); };
    p.now = [this] { return now; };
    p.limits.requests_per_minute = 0;
    p.limits.creations_per_minute = 0;
    return p;
  }

  void use(api::ports changed) { ctx = api::make_context(std::move(changed)); }

  /// One request with a key (or without), to its end.
  api::response send(std::string_view method, std::string_view target, std::string_view body = {},
                     std::string_view key = {}) {
    auto mark = target.find('?');
    auto all = headers;
    std::string authorization = "Bearer " + std::string{key};
    if (!key.empty())
      all.push_back({"Authorization", authorization});
    if (!body.empty())
      all.push_back({"Content-Type", "application/json"});
    auto io = std::make_shared<boost::asio::io_context>();
    api::request what{method, target.substr(0, mark),
                      mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1),
                      "req-1", io->get_executor()};
    what.body = body;
    what.headers = all;
    what.peer = peer;
    api::response answer;
    boost::asio::co_spawn(io->get_executor(), api::handle(ctx, what),
                          [&](std::exception_ptr failed, api::response got) {
                            if (failed)
                              std::rethrow_exception(failed);
                            answer = std::move(got);
                          });
    io->run();
    if (!answer.stream)
      return answer;
    // It may hold timers of that context. Of a pair, the first goes last.
    using lasting = std::pair<std::shared_ptr<boost::asio::io_context>, decltype(answer.stream)>;
    auto both = std::make_shared<lasting>(io, std::move(answer.stream));
    answer.stream = [both](std::string& out) { return both->second(out); };
    return answer;
  }

  api::response get(std::string_view target, std::string_view key) {
    return send("GET", target, {}, key);
  }
};

/// "404 unknown_bot", or the status alone when it is no problem document.
inline std::string told(const api::response& answer) {
  auto status = std::to_string(answer.status);
  if (answer.content_type != "application/problem+json")
    return status;
  return status + ' ' + std::string{json_of(answer).at("code").as_string()};
}

} // namespace fakes

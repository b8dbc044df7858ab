#include "messages/gateway.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/supervisor.hpp"
#include "runtime/api/dashboard.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/openapi.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/supervision.hpp"
#include "runtime/registry/cluster_view.hpp"

#include <boost/json/parse.hpp>

namespace troupe::api {
namespace {

namespace json = boost::json;

/// Enough to reach every shard of bots; the bots themselves are counted by their supervisor.
constexpr std::uint32_t metrics_rows = 4096;

// -- probes ------------------------------------------------------------------------------------------

task serve_alive(context&, const inquiry&) {
  response answer;
  answer.content_type = "text/plain; charset=utf-8";
  answer.body = "ok\n";
  co_return answer;
}

std::vector<question<gateway_report>> ask_gateways(context& ctx, net::http_executor io) {
  std::vector<question<gateway_report>> asked;
  if (!ctx.p.gateways)
    return asked;
  for (auto& one : ctx.p.gateways())
    asked.push_back(ask<gateway_report>(*ctx.p.system, io,
                                        caf::actor_cast<caf::strong_actor_ptr>(one), get_report{1},
                                        ctx.p.answer_timeout));
  return asked;
}

/// What keeps a service that answers from its work.
template <class Report>
const char* not_yet(const Report&) {
  return nullptr;
}

/// Until then calls with a registered bot's token find nobody.
const char* not_yet(const registrar_report& x) {
  return x.restored ? nullptr : "restoring the registered bots";
}

template <class Report>
net::http_task<bool> note(question<Report>& asked, std::string_view name, json::object& services) {
  co_await asked.ready();
  auto report = asked.take();
  const char* wrong = report ? not_yet(*report) : "no answer";
  auto& word = services[name];
  // Of several gateways, one that is silent is what counts.
  if (!word.is_string() || wrong != nullptr)
    word = wrong != nullptr ? wrong : "ok";
  co_return wrong == nullptr;
}

task serve_ready(context& ctx, const inquiry& from) {
  auto pool = ctx.report_of<pool_report>(ctx.p.session_pool, from.what.io, 1);
  auto governor = ctx.report_of<governor_report>(ctx.p.rate_governor, from.what.io, 1);
  auto health = ctx.report_of<health_report>(ctx.p.health, from.what.io, 1);
  auto root = ctx.report_of<supervision_report>(ctx.p.root, from.what.io, 1);
  auto store = ctx.report_of<store_report>(ctx.p.store, from.what.io, 1);
  auto registrar = ctx.report_of<registrar_report>(ctx.p.registrar, from.what.io, 1);
  auto gateways = ask_gateways(ctx, from.what.io);
  json::object services;
  auto ready = co_await note(pool, "session_pool", services);
  ready &= co_await note(governor, "rate_governor", services);
  ready &= co_await note(health, "health", services);
  ready &= co_await note(root, "supervision", services);
  if (ctx.p.store) {
    ready &= co_await note(store, "store", services);
    ready &= co_await note(registrar, "registrar", services);
  }
  for (auto& one : gateways)
    ready &= co_await note(one, "gateway", services);
  if (gateways.empty()) {
    services["gateway"] = "not running";
    ready = false;
  }
  auto draining = ctx.p.draining && ctx.p.draining();
  if (ready && !draining)
    co_return json_response(json::object{{"ready", true}, {"services", std::move(services)}});
  auto& why = draining ? text_of(ec::draining) : text_of(api_error::not_ready);
  auto answer = problem(why, from.what.request_id);
  auto body = json::parse(answer.body).as_object();
  body["ready"] = false;
  body["services"] = std::move(services);
  answer.body = json::serialize(body);
  co_return answer;
}

// -- metrics and dashboard ---------------------------------------------------------------------------

template <class Report>
net::http_task<void> refresh(context& ctx, question<Report>& asked) {
  co_await asked.ready();
  auto report = asked.take();
  if (report)
    ctx.seen.update(*report);
}

task serve_metrics(context& ctx, const inquiry& from) {
  if (!ctx.p.exporter)
    throw refused{api_error::service_unavailable};
  auto pool = ctx.report_of<pool_report>(ctx.p.session_pool, from.what.io, 1);
  auto governor = ctx.report_of<governor_report>(ctx.p.rate_governor, from.what.io, 10'000);
  auto health = ctx.report_of<health_report>(ctx.p.health, from.what.io, 1);
  if (ctx.p.journal) {
    auto journal = ctx.report_of<journal_report>(ctx.p.journal, from.what.io, 1);
    co_await refresh(ctx, journal);
  }
  co_await refresh(ctx, pool);
  co_await refresh(ctx, governor);
  co_await refresh(ctx, health);
  auto tree = co_await walk(ctx, from.what.io, metrics_rows);
  update(ctx.seen, *tree);
  if (ctx.p.cluster)
    ctx.seen.update_late_calls(ctx.p.cluster->late_calls);
  if (ctx.p.bots_by_phase)
    ctx.seen.update(ctx.p.bots_by_phase());
  response answer;
  answer.content_type = metrics::exporter::content_type;
  answer.body = ctx.p.exporter->render();
  co_return answer;
}

task serve_openapi(context&, const inquiry&) {
  response answer;
  answer.body = openapi_document();
  co_return answer;
}

task serve_dashboard(context&, const inquiry&) {
  response answer;
  answer.content_type = "text/html; charset=utf-8";
  // The page brings everything along and talks to its own node only.
  answer.headers =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n";
  answer.body = dashboard_page();
  co_return answer;
}

// -- the table -------------------------------------------------------------------------------------

constexpr route page_table[] = {
  {"GET",
   "/",
   "getDashboard",
   "The dashboard.",
   access::open,
   serve_dashboard,
   200,
   {},
   body_use::none,
   {},
   "text/html"},
  {"GET", "/openapi.json", "getOpenApi", "This document.", access::open, serve_openapi},
  {"GET",
   "/metrics",
   "getMetrics",
   "Prometheus metrics.",
   access::open,
   serve_metrics,
   200,
   {},
   body_use::none,
   {},
   "text/plain"},
  {"GET",
   "/healthz",
   "getAlive",
   "Whether the process lives.",
   access::open,
   serve_alive,
   200,
   {},
   body_use::none,
   {},
   "text/plain"},
  {"GET", "/readyz", "getReady", "Whether the node takes work.", access::open, serve_ready},
};

} // namespace

std::span<const route> page_routes() {
  return page_table;
}

} // namespace troupe::api

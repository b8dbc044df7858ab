#include "runtime/api/routes.hpp"
#include "runtime/api/context.hpp"
#include "runtime/api/dashboard.hpp"
#include "runtime/api/json.hpp"
#include "runtime/api/supervision.hpp"
#include "runtime/log/log.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <charconv>
#include <optional>

namespace troupe::api {
namespace {

namespace json = boost::json;
using task = net::http_task<response>;

constexpr std::uint32_t default_limit = 200;
constexpr std::uint32_t max_limit = 10'000;
/// Enough to reach every shard of bots; the bots themselves are counted by their supervisor.
constexpr std::uint32_t metrics_rows = 4096;

response json_response(const json::value& body, int status = 200) {
  response answer;
  answer.status = status;
  answer.body = json::serialize(body);
  return answer;
}

response unavailable(std::string_view service, const request& what) {
  auto answer = problem(503, "service_unavailable",
                        std::string{service} + " does not answer right now; try again in a moment.",
                        what.request_id);
  answer.headers = "Retry-After: 1\r\n";
  return answer;
}

/// The value of `name` in a query; nothing if it is not there.
std::optional<std::string_view> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    auto end = std::min(query.find('&'), query.size());
    auto pair = query.substr(0, end);
    if (auto equals = pair.find('='); pair.substr(0, equals) == name)
      return equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return std::nullopt;
}

/// `?limit=N`; nothing if it is no number or out of range.
std::optional<std::uint32_t> limit_of(const request& what) {
  auto text = parameter(what.query, "limit");
  if (!text)
    return default_limit;
  std::uint32_t limit = 0;
  auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), limit);
  if (failed != std::errc{} || end != text->data() + text->size() || limit == 0
      || limit > max_limit)
    return std::nullopt;
  return limit;
}

response bad_limit(const request& what) {
  return problem(400, "bad_request", "limit must be a number from 1 to 10000.", what.request_id);
}

// -- what a service reports
// -------------------------------------------------------------------------

template <class Report, class Getter>
task report_route(context& ctx, const request& what, const Getter& getter, std::string_view name) {
  auto limit = limit_of(what);
  if (!limit)
    co_return bad_limit(what);
  auto asked = ctx.report_of<Report>(getter, what.io, *limit);
  auto report = co_await asked.answer();
  if (!report)
    co_return unavailable(name, what);
  co_return json_response(to_json(*report));
}

task serve_health(context& ctx, const request& what) {
  return report_route<health_report>(ctx, what, ctx.p.health, "The health service");
}

task serve_sessions(context& ctx, const request& what) {
  return report_route<pool_report>(ctx, what, ctx.p.session_pool, "The session pool");
}

task serve_budgets(context& ctx, const request& what) {
  return report_route<governor_report>(ctx, what, ctx.p.rate_governor, "The rate governor");
}

task serve_supervision(context& ctx, const request& what) {
  auto limit = limit_of(what);
  if (!limit)
    co_return bad_limit(what);
  auto tree = co_await walk(ctx, what.io, *limit);
  if (!tree->answered)
    co_return unavailable("The root supervisor", what);
  co_return json_response(to_json(*tree));
}

// -- probes
// -----------------------------------------------------------------------------------------

task serve_alive(context&, const request&) {
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

template <class Report>
net::http_task<bool> note(question<Report>& asked, std::string_view name, json::object& services) {
  auto report = co_await asked.answer();
  auto ok = static_cast<bool>(report);
  auto& word = services[name];
  // Of several gateways, one that is silent is what counts.
  if (!word.is_string() || !ok)
    word = ok ? "ok" : "no answer";
  co_return ok;
}

task serve_ready(context& ctx, const request& what) {
  auto pool = ctx.report_of<pool_report>(ctx.p.session_pool, what.io, 1);
  auto governor = ctx.report_of<governor_report>(ctx.p.rate_governor, what.io, 1);
  auto health = ctx.report_of<health_report>(ctx.p.health, what.io, 1);
  auto root = ctx.report_of<supervision_report>(ctx.p.root, what.io, 1);
  auto gateways = ask_gateways(ctx, what.io);
  json::object services;
  auto ready = co_await note(pool, "session_pool", services);
  ready &= co_await note(governor, "rate_governor", services);
  ready &= co_await note(health, "health", services);
  ready &= co_await note(root, "supervision", services);
  for (auto& one : gateways)
    ready &= co_await note(one, "gateway", services);
  if (gateways.empty()) {
    services["gateway"] = "not running";
    ready = false;
  }
  auto draining = ctx.p.draining && ctx.p.draining();
  if (ready && !draining)
    co_return json_response(json::object{{"ready", true}, {"services", std::move(services)}});
  auto answer = problem(503, draining ? "draining" : "not_ready",
                        draining ? "The node is shutting down; use another one."
                                 : "A service does not answer; see `services`.",
                        what.request_id);
  auto body = json::parse(answer.body).as_object();
  body["ready"] = false;
  body["services"] = std::move(services);
  answer.body = json::serialize(body);
  co_return answer;
}

// -- metrics and dashboard
// ----------------------------------------------------------------------------

template <class Report>
net::http_task<void> refresh(context& ctx, question<Report>& asked) {
  auto report = co_await asked.answer();
  if (report)
    ctx.seen.update(*report);
}

task serve_metrics(context& ctx, const request& what) {
  if (!ctx.p.exporter)
    co_return unavailable("The exporter", what);
  auto pool = ctx.report_of<pool_report>(ctx.p.session_pool, what.io, 1);
  auto governor = ctx.report_of<governor_report>(ctx.p.rate_governor, what.io, max_limit);
  auto health = ctx.report_of<health_report>(ctx.p.health, what.io, 1);
  co_await refresh(ctx, pool);
  co_await refresh(ctx, governor);
  co_await refresh(ctx, health);
  auto tree = co_await walk(ctx, what.io, metrics_rows);
  update(ctx.seen, *tree);
  if (ctx.p.bots_by_phase)
    ctx.seen.update(ctx.p.bots_by_phase());
  response answer;
  answer.content_type = metrics::exporter::content_type;
  answer.body = ctx.p.exporter->render();
  co_return answer;
}

task serve_dashboard(context&, const request&) {
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

// -- the table
// ----------------------------------------------------------------------------------------

struct route {
  std::string_view path;
  task (*serve)(context&, const request&);
};

constexpr route table[] = {
  {"/", serve_dashboard},           {"/healthz", serve_alive},
  {"/metrics", serve_metrics},      {"/readyz", serve_ready},
  {"/v1/budgets", serve_budgets},   {"/v1/health", serve_health},
  {"/v1/sessions", serve_sessions}, {"/v1/supervision", serve_supervision},
};

task dispatch(context& ctx, const request& what) {
  for (auto& one : table) {
    if (one.path != what.path)
      continue;
    if (what.method == "GET" || what.method == "HEAD")
      co_return co_await one.serve(ctx, what);
    auto answer = problem(405, "method_not_allowed", "This resource can only be read: use GET.",
                          what.request_id);
    answer.headers = "Allow: GET, HEAD\r\n";
    co_return answer;
  }
  co_return problem(404, "not_found", "There is nothing at this path; see / for an overview.",
                    what.request_id);
}

} // namespace

std::shared_ptr<context> make_context(ports from) {
  return std::make_shared<context>(std::move(from));
}

net::http_task<response> handle(std::shared_ptr<context> ctx, request what) {
  response answer;
  try {
    answer = co_await dispatch(*ctx, what);
  } catch (const boost::system::system_error& gone) {
    if (gone.code() == boost::asio::error::operation_aborted)
      throw;
    answer = problem(500, "internal", "The request failed; the log tells more.", what.request_id);
  } catch (const std::exception& failure) {
    log::event(log::level::error, "api.failed", "troupe.api",
               {{"request", what.request_id}, {"reason", failure.what()}});
    answer = problem(500, "internal", "The request failed; the log tells more.", what.request_id);
  }
  answer.headers += "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: ";
  answer.headers += what.request_id;
  answer.headers += "\r\n";
  co_return answer;
}

} // namespace troupe::api

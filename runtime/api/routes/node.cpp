#include "messages/gateway.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/supervisor.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/json.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/supervision.hpp"
#include "runtime/api/trail.hpp"

namespace troupe::api {
namespace {

namespace json = boost::json;

refused silent(std::string_view service) {
  refused result{api_error::service_unavailable,
                 std::string{service} + " does not answer right now."};
  result.headers = retry_after(std::chrono::seconds{1});
  return result;
}

std::uint32_t rows_of(const inquiry& from) {
  return static_cast<std::uint32_t>(from.query.number("limit").value_or(200));
}

template <class Report, class Getter>
task report_route(context& ctx, const inquiry& from, const Getter& getter, std::string_view name) {
  auto asked = ctx.report_of<Report>(getter, from.what.io, rows_of(from));
  co_await asked.ready();
  auto report = asked.take();
  if (!report)
    throw silent(name);
  co_return json_response(to_json(*report));
}

task serve_health(context& ctx, const inquiry& from) {
  return report_route<health_report>(ctx, from, ctx.p.health, "The health service");
}

task serve_sessions(context& ctx, const inquiry& from) {
  return report_route<pool_report>(ctx, from, ctx.p.session_pool, "The session pool");
}

task serve_budgets(context& ctx, const inquiry& from) {
  return report_route<governor_report>(ctx, from, ctx.p.rate_governor, "The rate governor");
}

task serve_supervision(context& ctx, const inquiry& from) {
  auto tree = co_await walk(ctx, from.what.io, rows_of(from));
  if (!tree->answered)
    throw silent("The root supervisor");
  co_return json_response(to_json(*tree));
}

audit_row restart_entry(const inquiry& from, const std::string& part) {
  audit_row row;
  row.by = from.by();
  row.action = from.flag("kill") ? "part.kill" : "part.restart";
  row.subject = "part:" + part;
  return row;
}

task restart_part(context& ctx, const inquiry& from) {
  auto name = from.text("name");
  auto tree = co_await walk(ctx, from.what.io, 1000);
  if (!tree->answered)
    throw silent("The root supervisor");
  auto whom = supervisor_of(*tree, name);
  if (!whom)
    throw refused{api_error::invalid_field, "The supervision tree has no part of that name.",
                  "name"};
  trail_mark mark{ctx, restart_entry(from, name)};
  restart_child order{name, from.flag("kill")};
  auto asked = ask<bool>(*ctx.p.system, from.what.io, whom, std::move(order), ctx.p.answer_timeout);
  co_await asked.ready();
  auto begun = asked.take();
  if (!begun)
    throw silent("Its supervisor");
  mark.end(*begun ? "ok" : "not_running");
  if (!*begun)
    throw refused{api_error::invalid_field, "That part does not run now.", "name"};
  co_return json_response(json::object{{"name", name}, {"restarting", true}}, 202);
}

// -- the store -------------------------------------------------------------------------------------

json::object report_json(const store_report& x) {
  return {{"where", x.where},
          {"reachable", x.reachable},
          {"waiting", x.waiting},
          {"reads_total", x.reads},
          {"writes_total", x.writes},
          {"commits_total", x.commits},
          {"failures_total", x.failures}};
}

json::object report_json(const registrar_report& x) {
  return {{"bots", x.bots},
          {"virtual_tokens", x.virtual_tokens},
          {"restored", x.restored},
          {"busy", x.busy}};
}

task serve_store(context& ctx, const inquiry& from) {
  auto store = ctx.report_of<store_report>(ctx.p.store, from.what.io, 1);
  auto registrar = ctx.report_of<registrar_report>(ctx.p.registrar, from.what.io, 1);
  co_await store.ready();
  auto kept = store.take();
  co_await registrar.ready();
  auto registered = registrar.take();
  if (!kept)
    throw silent("The store");
  auto body = report_json(*kept);
  body["registrar"] = registered ? json::value(report_json(*registered)) : json::value(nullptr);
  co_return json_response(body);
}

/// Why there is no copy.
refused no_backup(const caf::error& why) {
  if (why == store_refusal::not_found)
    return refused{api_error::invalid_field,
                   "path must be in a directory that is there and that the node may write to.",
                   "path"};
  if (why == store_refusal::duplicate)
    return refused{api_error::file_exists, {}, "path"};
  if (why == store_refusal::invalid)
    return refused{api_error::no_backup};
  return is_silence(why) ? refused{api_error::change_unknown} : refused_by(why);
}

/// Not in the coroutine: see `taken`.
[[gnu::noinline]] backup_done copied(question<backup_done>& asked) {
  auto made = asked.take();
  if (!made)
    throw no_backup(made.error());
  return std::move(*made);
}

task make_backup(context& ctx, const inquiry& from) {
  auto path = from.text("path");
  if (!path.starts_with('/'))
    throw refused{api_error::invalid_field, "path must begin with a slash.", "path"};
  backup_request what{from.by(), std::move(path)};
  auto asked = ctx.ask_store_long<backup_done>(from.what.io, std::move(what));
  co_await asked.ready();
  auto made = copied(asked);
  co_return json_response(
    json::object{{"path", made.path},
                 {"bytes", made.bytes},
                 {"took_seconds", std::chrono::duration<double>(made.took).count()}},
    201);
}

// -- the table -------------------------------------------------------------------------------------

constexpr field of_report[] = {
  {"limit", shape::integer, 1, 10'000, "At most so many rows in lists; 200 without it."},
};
constexpr field of_restart[] = {
  {"name", shape::text, 1, 200, "As GET /v1/supervision says it.", true},
  {"kill", shape::boolean, 0, 0, "It is not asked to end; its supervisor counts a crash."},
};
constexpr field of_backup[] = {
  {"path", shape::text, 2, 1000, "A file on the node's disk that does not exist yet.", true},
};

constexpr route node_table[] = {
  {"GET", "/v1/health", "getHealth", "How well the upstream and the bots do.", access::node,
   serve_health, 200, of_report},
  {"GET", "/v1/supervision", "getSupervision", "The supervision tree.", access::node,
   serve_supervision, 200, of_report},
  {"POST", "/v1/supervision:restart", "restartPart",
   "Ends a part of the node; its supervisor starts it again.", access::operator_, restart_part, 202,
   {}, body_use::needed, of_restart},
  {"GET", "/v1/sessions", "getSessions", "The connections to the upstream and who leases them.",
   access::node, serve_sessions, 200, of_report},
  {"GET", "/v1/budgets", "getBudgets", "How much of the request budgets is used.", access::node,
   serve_budgets, 200, of_report},
  {"GET", "/v1/store", "getStore", "How the store and the registrar do.", access::operator_,
   serve_store},
  {"POST", "/v1/backups", "makeBackup", "Copies the store into a file while the node runs.",
   access::operator_, make_backup, 201, {}, body_use::needed, of_backup},
};

} // namespace

std::span<const route> node_routes() {
  return node_table;
}

} // namespace troupe::api

#include "messages/cluster.hpp"
#include "runtime/api/inquiry.hpp"
#include "runtime/api/json.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/trail.hpp"
#include "runtime/registry/cluster_view.hpp"

namespace troupe::api {
namespace {

namespace json = boost::json;

std::function<cluster_actor()> membership(const context& ctx) {
  return [view = ctx.p.cluster] { return view->actor.get(); };
}

refused no_answer() {
  refused result{api_error::service_unavailable,
                 "The cluster's membership does not answer right now."};
  result.headers = retry_after(std::chrono::seconds{1});
  return result;
}

task serve_cluster(context& ctx, const inquiry& from) {
  if (!ctx.p.cluster)
    co_return json_response(to_json(cluster_report{}));
  auto asked = ctx.report_of<cluster_report>(membership(ctx), from.what.io, 1);
  co_await asked.ready();
  auto report = asked.take();
  if (!report)
    throw no_answer();
  auto shown = to_json(*report);
  shown["late_calls_total"] = ctx.p.cluster->late_calls.load();
  co_return json_response(shown);
}

audit_row drain_entry(const inquiry& from, const std::string& node) {
  audit_row row;
  row.by = from.by();
  row.action = from.flag("draining") ? "node.drain" : "node.serve";
  row.subject = "node:" + node;
  return row;
}

task drain_node(context& ctx, const inquiry& from) {
  if (!ctx.p.cluster)
    throw refused{api_error::no_cluster};
  auto node = from.text("node");
  trail_mark mark{ctx, drain_entry(from, node)};
  cluster_drain what{from.by(), node, from.flag("draining")};
  auto asked = ask<done>(*ctx.p.system, from.what.io, context::handle(membership(ctx)),
                         std::move(what), ctx.p.long_timeout);
  co_await asked.ready();
  auto said = asked.take();
  if (!said && said.error() == store_refusal::not_found) {
    mark.end("not_found");
    throw refused{api_error::invalid_field, "The cluster has no node of that name.", "node"};
  }
  if (!said)
    throw is_silence(said.error()) ? no_answer() : refused_by(said.error());
  mark.end("ok");
  co_return json_response(json::object{{"node", node}, {"draining", from.flag("draining")}}, 202);
}

constexpr field of_drain[] = {
  {"node", shape::text, 1, 200, "As GET /v1/cluster says it.", true},
  {"draining", shape::boolean, 0, 0,
   "True: it gives all its bots to others; false: it serves again.", true},
};

constexpr route cluster_table[] = {
  {"GET", "/v1/cluster", "getCluster", "The nodes and what each has of the bots.", access::node,
   serve_cluster},
  {"POST",
   "/v1/cluster:drain",
   "drainNode",
   "A node gives all its bots to the others, or takes part again.",
   access::operator_,
   drain_node,
   202,
   {},
   body_use::needed,
   of_drain},
};

} // namespace

std::span<const route> cluster_routes() {
  return cluster_table;
}

} // namespace troupe::api

#include "runtime/api/inquiry.hpp"
#include "runtime/api/routes/tables.hpp"
#include "runtime/api/rows.hpp"

namespace troupe::api {
namespace {

task serve_audit(context& ctx, const inquiry& from) {
  audit_query what;
  what.tenant = from.tenant();
  if (auto tenant = from.query.number("tenant"); tenant && from.who.is_operator())
    what.tenant = static_cast<tenant_id>(*tenant);
  what.subject = from.query.text("subject").value_or("");
  what.action = from.query.text("action").value_or("");
  what.from = from.query.number("from").value_or(0);
  what.until = from.query.number("until").value_or(0);
  what.before = cursor_of(from);
  what.limit = limit_of(from);
  auto asked = ctx.ask_store<page<audit_row>>(from.what.io, std::move(what));
  auto found = co_await answer_to(asked);
  auto last = found.rows.empty() ? 0 : found.rows.back().id;
  co_return json_response(boost::json::object{{"entries", list_of(found.rows)},
                                              {"next_cursor", next_cursor(last, found.more)}});
}

constexpr std::int64_t latest = 4'102'444'800'000; // The year 2100.

constexpr field parameters_of_audit[] = {
  {"tenant", shape::integer, 1, UINT32_MAX, "Operators only: this tenant's affairs alone."},
  {"subject", shape::text, 1, 100, "What it was about: \"bot:123\", \"tenant:2\", \"key:5\"."},
  {"action", shape::text, 1, 100, "\"bot.register\", \"key.revoke\", …"},
  {"from", shape::integer, 0, latest, "Not before this time, in milliseconds since 1970."},
  {"until", shape::integer, 0, latest, "Before this time, in milliseconds since 1970."},
  cursor_parameter,
  limit_parameter,
};

constexpr route audit_table[] = {
  {"GET", "/v1/audit", "listAudit",
   "Who did what, when, from where: the newest entries first. A tenant sees its own affairs.",
   access::admin, serve_audit, 200, parameters_of_audit},
};

} // namespace

std::span<const route> audit_routes() {
  return audit_table;
}

} // namespace troupe::api

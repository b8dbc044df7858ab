#include "runtime/store/audit.hpp"

namespace troupe::store {

static auto columns(audit_entry& x) {
  return std::tie(x.id, x.at, x.actor, x.key, x.tenant, x.action, x.subject, x.outcome, x.address,
                  x.request, x.detail);
}

std::int64_t add_audit(unit& u, const audit_entry& x) {
  return u
    .value<std::int64_t>("INSERT INTO audit (at, actor, actor_key, tenant, action, subject, "
                         "outcome, address, request, detail) VALUES (:at, :actor, :key, :tenant, "
                         ":action, :subject, :outcome, :address, :request, :detail) RETURNING id",
                         x.at, x.actor, x.key, x.tenant, x.action, x.subject, x.outcome, x.address,
                         x.request, x.detail)
    .value();
}

std::vector<audit_entry> find_audit(unit& u, const audit_query& what) {
  std::string sql = "SELECT id, at, actor, actor_key, tenant, action, subject, outcome, address, "
                    "request, detail FROM audit WHERE id < :before AND at >= :from AND at < :until";
  std::vector<parameter> given{to_parameter(what.before), to_parameter(what.from),
                               to_parameter(what.until)};
  if (what.tenant) {
    sql += " AND tenant = :tenant";
    given.push_back(to_parameter(*what.tenant));
  }
  if (!what.subject.empty()) {
    sql += " AND subject = :subject";
    given.push_back(to_parameter(what.subject));
  }
  if (!what.action.empty()) {
    sql += " AND action = :action";
    given.push_back(to_parameter(what.action));
  }
  sql += " ORDER BY id DESC LIMIT :limit";
  given.push_back(to_parameter(what.limit));
  return u.rows_with<audit_entry>(sql, std::move(given));
}

} // namespace troupe::store

#pragma once
#include "actors/store/convert.hpp"
#include "actors/store/perform.hpp"

#include <algorithm>

/// What the perform_*.cpp share; for the files of this folder only.
namespace troupe::storage {

inline caf::error refused(store_refusal why) {
  return caf::make_error(why);
}

inline std::uint32_t rows_at_most(std::uint32_t asked) noexcept {
  return std::clamp<std::uint32_t>(asked, 1, 1000);
}

/// Enters an action in the trail, refused or not, in the unit of the action itself.
inline void enter(unit& u, const context& c, const author& by, tenant_id tenant,
                  std::string_view action, std::string subject,
                  store_refusal outcome = store_refusal::none, std::string detail = "{}") {
  audit_row row;
  row.at = ms_of(c.now());
  row.by = by;
  row.tenant = tenant;
  row.action = action;
  row.subject = std::move(subject);
  row.outcome = outcome == store_refusal::none ? "ok" : to_string(outcome);
  row.detail = std::move(detail);
  store::add_audit(u, entry_of(row));
}

inline std::string subject_of(std::string_view kind, std::int64_t id) {
  return std::string{kind} + ':' + std::to_string(id);
}

/// The bot, if it is the tenant's; any tenant's for tenant 0.
inline std::optional<store::bot> bot_for(unit& u, tenant_id tenant, bot_id id) {
  return tenant == 0 ? store::find_any_bot(u, id) : store::find_bot(u, tenant, id);
}

} // namespace troupe::storage

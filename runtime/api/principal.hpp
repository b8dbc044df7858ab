#pragma once
#include "messages/store_rows.hpp"
#include "runtime/api/router.hpp"

namespace troupe::api {

/// Who makes a request.
struct principal {
  identity who; ///< Of nobody: key id 0.
  bool known = false;

  [[nodiscard]] bool is_operator() const noexcept {
    return known && who.key.role == key_role::operator_;
  }
  /// Whose things are meant, as messages/store.hpp has it: 0 (any tenant's) for operators.
  [[nodiscard]] tenant_id tenant() const noexcept { return who.key.tenant; }
  /// What the quota of requests is counted by: the user, else the tenant, however many keys it has;
  /// an operator's key without a user by itself.
  [[nodiscard]] std::string quota_name() const;
  /// For the audit trail: "trp_t_AbCdEfGh deploy".
  [[nodiscard]] std::string shown_name() const;
};

/// Whether the principal's role suffices.
[[nodiscard]] bool may(const principal& who, access needs) noexcept;

/// The key of an `Authorization: Bearer KEY` header. @throws refused
[[nodiscard]] std::string_view bearer_key(std::string_view header);

/// Asks the store whose key this is. @throws refused
[[nodiscard]] net::http_task<principal> authenticated(context& ctx, net::http_executor io,
                                                      std::string key);

} // namespace troupe::api

#include "runtime/api/ask_impl.hpp"

#include "messages/store.hpp"

namespace troupe::api {

TROUPE_ASK(identity, authenticate)
TROUPE_ASK(bot_batch, bot_lookup)
TROUPE_ASK(page<bot_row>, bot_query)
TROUPE_ASK(page<virtual_token_row>, virtual_token_query)
TROUPE_ASK(verification_row, verification_make)
TROUPE_ASK_ALSO(verification_row, verification_query)
TROUPE_ASK(tenant_row, tenant_put)
TROUPE_ASK(done, tenant_remove)
TROUPE_ASK_ALSO(done, user_remove)
TROUPE_ASK_ALSO(done, key_revoke)
TROUPE_ASK_ALSO(done, idempotency_end)
TROUPE_ASK_ALSO(done, virtual_token_revoke) // The registrar's.
TROUPE_ASK(page<tenant_row>, tenant_query)
TROUPE_ASK(user_row, user_put)
TROUPE_ASK(page<user_row>, user_query)
TROUPE_ASK(made_key, key_make)
TROUPE_ASK(page<key_row>, key_query)
TROUPE_ASK(health_row, health_query)
TROUPE_ASK(usage_report, usage_query)
TROUPE_ASK(page<audit_row>, audit_query)
TROUPE_ASK(idempotency_answer, idempotency_begin)
TROUPE_ASK(backup_done, backup_request)
TROUPE_ASK(store_report, get_report)

} // namespace troupe::api

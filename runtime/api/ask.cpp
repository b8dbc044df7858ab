#include "runtime/api/ask_impl.hpp"

#include "messages/gateway.hpp"
#include "messages/health.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "messages/supervisor.hpp"

namespace troupe::api {

TROUPE_ASK(pool_report, get_report)
TROUPE_ASK(governor_report, get_report)
TROUPE_ASK(health_report, get_report)
TROUPE_ASK(supervision_report, get_report)
TROUPE_ASK(gateway_report, get_report)
TROUPE_ASK(bot_health, bot_health_request)

} // namespace troupe::api

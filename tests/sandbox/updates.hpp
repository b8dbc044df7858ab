#pragma once
#include "tests/sandbox/call.hpp"
#include "tests/sandbox/webhook_client.hpp"

namespace troupe::sandbox {

/// getUpdates: answers at once, or waits in a coroutine that owns all it needs.
net::http_pending get_updates(const call& c, const net::http_request& request);

/// Runs the method that a webhook's answer asks for, if it is one that may be asked for so.
void run_webhook_reply(world& w, const std::shared_ptr<bot>& b, const webhook_answer& answer);

} // namespace troupe::sandbox

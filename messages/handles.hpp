#pragma once
#include "messages/call.hpp"
#include "messages/cluster_ids.hpp"
#include "messages/update_ids.hpp"

#include <caf/actor.hpp>
#include <caf/result.hpp>
#include <caf/typed_actor.hpp>

/// Every actor's typed interface, together, so that interfaces may name each other. The structs and
/// the words of each protocol stand in the actor's own header.
namespace troupe {

/// See messages/bot.hpp.
using bot_actor =
  caf::typed_actor<caf::result<grant>(call), caf::result<grant>(attempt_failed),
                   caf::result<void>(call_done), caf::result<void>(call_cancelled),
                   caf::result<void>(answer_streams), caf::result<void>(breaker_change),
                   caf::result<void>(bot_command), caf::result<void>(updates_ready),
                   caf::result<pull_answer>(pull_request), caf::result<void>(pull_cancel),
                   caf::result<passivation>(passivate), caf::result<bot_report>(get_report)>;

/// See messages/session_pool.hpp.
using session_pool_actor =
  caf::typed_actor<caf::result<lease>(lease_request), caf::result<void>(lease_return),
                   caf::result<void>(lease_cancel), caf::result<pool_capacity>(credit_request),
                   caf::result<void>(pool_limits), caf::result<pool_report>(get_report)>;

/// See messages/rate_governor.hpp.
using rate_governor_actor =
  caf::typed_actor<caf::result<lease>(permit_request), caf::result<void>(permit_cancel),
                   caf::result<void>(permit_unused), caf::result<void>(flood_report),
                   caf::result<void>(chat_charge), caf::result<void>(bot_limits),
                   caf::result<void>(pool_capacity), caf::result<void>(capacity_change),
                   caf::result<void>(credit), caf::result<void>(rate_limits),
                   caf::result<void>(tenant_limits), caf::result<void>(identity_proven),
                   caf::result<void>(breaker_change), caf::result<governor_report>(get_report),
                   caf::result<done>(shards_gained), caf::result<done>(shards_lost)>;

/// See messages/health.hpp.
using health_actor =
  caf::typed_actor<caf::result<void>(outcome_batch), caf::result<void>(bot_started),
                   caf::result<void>(stop_bot), caf::result<void>(health_limits),
                   caf::result<bot_health>(bot_health_request),
                   caf::result<health_report>(get_report)>;

/// See messages/supervisor.hpp.
using supervisor_actor =
  caf::typed_actor<caf::result<supervision_report>(get_report), caf::result<bool>(restart_child)>;

/// See messages/supervisor.hpp.
using bots_actor = caf::typed_actor<
  caf::result<supervision_report>(get_report), caf::result<caf::strong_actor_ptr>(start_bot),
  caf::result<void>(stop_bot), caf::result<void>(identity_proven), caf::result<void>(bot_command),
  caf::result<caf::strong_actor_ptr>(activate_bot), caf::result<void>(passivation_limits)>;

/// See messages/gateway.hpp.
using gateway_actor =
  caf::typed_actor<caf::result<void>(drain), caf::result<gateway_report>(get_report)>;

} // namespace troupe

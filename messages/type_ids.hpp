#pragma once
#include <caf/type_id.hpp>

#include <cstdint>

/// Every type that crosses an actor boundary, one block per room.
/// IDs travel on the wire: append only, never reorder; each room owns a hundred.
namespace troupe {

enum class ec : std::uint8_t;
enum class call_kind : std::uint8_t;
enum class failure : std::uint8_t;
enum class breaker_state : std::uint8_t;
enum class bot_phase : std::uint8_t;
enum class health_status : std::uint8_t;
struct get_report;
struct chat_ref;
struct refusal;
struct call;
struct lease;
struct grant;
struct outcome;

struct attempt_failed;
struct call_done;
struct call_cancelled;
struct breaker_change;
struct bot_command;
struct bot_report;
struct answer_streams;
struct passivate;
struct passivation;

struct lease_request;
struct lease_return;
struct lease_cancel;
struct credit_request;
struct session_info;
struct pool_report;
struct pool_limits;

struct permit_request;
struct permit_cancel;
struct permit_unused;
struct flood_report;
struct chat_charge;
struct bot_limits;
struct tenant_limits;
struct pool_capacity;
struct credit;
struct identity_proven;
struct budget_usage;
struct governor_report;
struct capacity_change;
struct rate_limits;

struct outcome_sample;
struct outcome_batch;
struct bot_started;
struct bot_health_request;
struct bot_health;
struct health_report;
struct health_limits;

struct child_info;
struct supervision_report;
struct start_bot;
struct stop_bot;
struct bots_report;
struct restart_child;
struct activate_bot;
struct passivation_limits;

struct drain;
struct gateway_report;

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_common, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(troupe_common, (troupe::ec))
CAF_ADD_TYPE_ID(troupe_common, (troupe::call_kind))
CAF_ADD_TYPE_ID(troupe_common, (troupe::failure))
CAF_ADD_TYPE_ID(troupe_common, (troupe::breaker_state))
CAF_ADD_TYPE_ID(troupe_common, (troupe::bot_phase))
CAF_ADD_TYPE_ID(troupe_common, (troupe::health_status))
CAF_ADD_TYPE_ID(troupe_common, (troupe::get_report))
CAF_ADD_TYPE_ID(troupe_common, (troupe::chat_ref))
CAF_ADD_TYPE_ID(troupe_common, (troupe::refusal))
CAF_ADD_TYPE_ID(troupe_common, (troupe::call))
CAF_ADD_TYPE_ID(troupe_common, (troupe::lease))
CAF_ADD_TYPE_ID(troupe_common, (troupe::grant))
CAF_ADD_TYPE_ID(troupe_common, (troupe::outcome))
CAF_END_TYPE_ID_BLOCK(troupe_common)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_bot, caf::first_custom_type_id + 100)
CAF_ADD_TYPE_ID(troupe_bot, (troupe::attempt_failed))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::call_done))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::call_cancelled))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::breaker_change))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::bot_command))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::bot_report))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::answer_streams))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::passivate))
CAF_ADD_TYPE_ID(troupe_bot, (troupe::passivation))
CAF_END_TYPE_ID_BLOCK(troupe_bot)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_session_pool, caf::first_custom_type_id + 200)
CAF_ADD_TYPE_ID(troupe_session_pool, (troupe::lease_request))
CAF_ADD_TYPE_ID(troupe_session_pool, (troupe::lease_return))
CAF_ADD_TYPE_ID(troupe_session_pool, (troupe::lease_cancel))
CAF_ADD_TYPE_ID(troupe_session_pool, (troupe::credit_request))
CAF_ADD_TYPE_ID(troupe_session_pool, (troupe::session_info))
CAF_ADD_TYPE_ID(troupe_session_pool, (troupe::pool_report))
CAF_ADD_TYPE_ID(troupe_session_pool, (troupe::pool_limits))
CAF_END_TYPE_ID_BLOCK(troupe_session_pool)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_rate_governor, caf::first_custom_type_id + 300)
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::permit_request))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::permit_cancel))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::permit_unused))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::flood_report))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::chat_charge))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::bot_limits))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::pool_capacity))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::credit))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::identity_proven))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::budget_usage))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::governor_report))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::capacity_change))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::rate_limits))
CAF_ADD_TYPE_ID(troupe_rate_governor, (troupe::tenant_limits))
CAF_END_TYPE_ID_BLOCK(troupe_rate_governor)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_health, caf::first_custom_type_id + 400)
CAF_ADD_TYPE_ID(troupe_health, (troupe::outcome_sample))
CAF_ADD_TYPE_ID(troupe_health, (troupe::outcome_batch))
CAF_ADD_TYPE_ID(troupe_health, (troupe::bot_started))
CAF_ADD_TYPE_ID(troupe_health, (troupe::bot_health_request))
CAF_ADD_TYPE_ID(troupe_health, (troupe::bot_health))
CAF_ADD_TYPE_ID(troupe_health, (troupe::health_report))
CAF_ADD_TYPE_ID(troupe_health, (troupe::health_limits))
CAF_END_TYPE_ID_BLOCK(troupe_health)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_supervisor, caf::first_custom_type_id + 500)
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::child_info))
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::supervision_report))
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::start_bot))
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::stop_bot))
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::bots_report))
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::restart_child))
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::activate_bot))
CAF_ADD_TYPE_ID(troupe_supervisor, (troupe::passivation_limits))
CAF_END_TYPE_ID_BLOCK(troupe_supervisor)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_gateway, caf::first_custom_type_id + 600)
CAF_ADD_TYPE_ID(troupe_gateway, (troupe::drain))
CAF_ADD_TYPE_ID(troupe_gateway, (troupe::gateway_report))
CAF_END_TYPE_ID_BLOCK(troupe_gateway)

#pragma once
#include "messages/type_ids.hpp"

/// The types of messages/store*.hpp and messages/registrar.hpp: two rooms of ids in a header of
/// their own, so that a change here rebuilds only who speaks to the store. Append only.
namespace troupe {

enum class store_refusal : std::uint8_t;
enum class key_role : std::uint8_t;
enum class idempotency_end_kind : std::uint8_t;
enum class idempotency_what : std::uint8_t;
enum class code_verdict : std::uint8_t;
enum class bot_order_kind : std::uint8_t;

template <class Row>
struct page;
struct done;
struct secret_string;
struct author;

struct bot_row;
struct loaded_bot;
struct tenant_row;
struct user_row;
struct key_row;
struct identity;
struct virtual_token_row;
struct made_virtual_token;
struct verification_row;
struct health_row;
struct usage_row;
struct usage_delta;
struct usage_report;
struct audit_row;

struct bot_lookup;
struct bot_batch;
struct bot_query;
struct bot_load;
struct bot_insert;
struct bot_state_set;
struct bot_token_set;
struct bot_change;
struct bot_remove;
struct tenant_put;
struct tenant_remove;
struct tenant_query;
struct user_put;
struct user_remove;
struct user_query;
struct key_make;
struct made_key;
struct key_revoke;
struct key_query;
struct authenticate;
struct virtual_token_make;
struct virtual_token_revoke;
struct virtual_token_query;
struct virtual_token_load;
struct verification_make;
struct verification_try;
struct verification_query;
struct health_save;
struct health_query;
struct health_load;
struct usage_add;
struct usage_query;
struct idempotency_begin;
struct idempotency_answer;
struct idempotency_end;
struct audit_query;
struct backup_request;
struct backup_done;
struct store_report;

struct bot_register;
struct bot_order;
struct bot_rotate;
struct registrar_report;
struct method_call;
struct method_answer;
struct tenant_changed;
struct live_query;
struct bot_live;
struct live_list;
struct bot_changed;

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_store, caf::first_custom_type_id + 700)
CAF_ADD_TYPE_ID(troupe_store, (troupe::store_refusal))
CAF_ADD_TYPE_ID(troupe_store, (troupe::done))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::loaded_bot))
CAF_ADD_TYPE_ID(troupe_store, (troupe::tenant_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::user_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::key_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::identity))
CAF_ADD_TYPE_ID(troupe_store, (troupe::virtual_token_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::made_virtual_token))
CAF_ADD_TYPE_ID(troupe_store, (troupe::verification_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::health_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::usage_report))
CAF_ADD_TYPE_ID(troupe_store, (troupe::audit_row))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::bot_row>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::loaded_bot>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::tenant_row>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::user_row>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::key_row>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::virtual_token_row>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::made_virtual_token>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::health_row>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::page<troupe::audit_row>))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_lookup))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_batch))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_load))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_insert))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_state_set))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_token_set))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_change))
CAF_ADD_TYPE_ID(troupe_store, (troupe::bot_remove))
CAF_ADD_TYPE_ID(troupe_store, (troupe::tenant_put))
CAF_ADD_TYPE_ID(troupe_store, (troupe::tenant_remove))
CAF_ADD_TYPE_ID(troupe_store, (troupe::tenant_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::user_put))
CAF_ADD_TYPE_ID(troupe_store, (troupe::user_remove))
CAF_ADD_TYPE_ID(troupe_store, (troupe::user_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::key_make))
CAF_ADD_TYPE_ID(troupe_store, (troupe::made_key))
CAF_ADD_TYPE_ID(troupe_store, (troupe::key_revoke))
CAF_ADD_TYPE_ID(troupe_store, (troupe::key_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::authenticate))
CAF_ADD_TYPE_ID(troupe_store, (troupe::virtual_token_make))
CAF_ADD_TYPE_ID(troupe_store, (troupe::virtual_token_revoke))
CAF_ADD_TYPE_ID(troupe_store, (troupe::virtual_token_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::virtual_token_load))
CAF_ADD_TYPE_ID(troupe_store, (troupe::verification_make))
CAF_ADD_TYPE_ID(troupe_store, (troupe::verification_try))
CAF_ADD_TYPE_ID(troupe_store, (troupe::verification_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::code_verdict))
CAF_ADD_TYPE_ID(troupe_store, (troupe::health_save))
CAF_ADD_TYPE_ID(troupe_store, (troupe::health_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::health_load))
CAF_ADD_TYPE_ID(troupe_store, (troupe::usage_add))
CAF_ADD_TYPE_ID(troupe_store, (troupe::usage_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::idempotency_begin))
CAF_ADD_TYPE_ID(troupe_store, (troupe::idempotency_answer))
CAF_ADD_TYPE_ID(troupe_store, (troupe::idempotency_end))
CAF_ADD_TYPE_ID(troupe_store, (troupe::audit_query))
CAF_ADD_TYPE_ID(troupe_store, (troupe::backup_request))
CAF_ADD_TYPE_ID(troupe_store, (troupe::backup_done))
CAF_ADD_TYPE_ID(troupe_store, (troupe::store_report))
CAF_END_TYPE_ID_BLOCK(troupe_store)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_registrar, caf::first_custom_type_id + 800)
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::bot_register))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::bot_order))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::bot_rotate))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::registrar_report))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::method_call))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::method_answer))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::tenant_changed))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::live_query))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::bot_live))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::live_list))
CAF_ADD_TYPE_ID(troupe_registrar, (troupe::bot_changed))
CAF_END_TYPE_ID_BLOCK(troupe_registrar)

#pragma once
#include "messages/type_ids.hpp"

/// The types of messages/{updates,journal,delivery}.hpp, in a header of their own. Append only.
namespace troupe {

enum class update_verdict : std::uint8_t;
enum class relay_end : std::uint8_t;

struct queue_key;
struct shared_text;
struct stored_update;
struct updates_ready;
struct pull_request;
struct pull_answer;
struct pull_cancel;

struct update_append;
struct append_result;
struct update_fetch;
struct update_page;
struct update_end;
struct update_ends;
struct update_confirm;
struct confirm_result;
struct journal_attach;
struct journal_forget;
struct pending_query;
struct pending_count;
struct dead_letter_row;
struct dead_letter_query;
struct dead_letter_page;
struct dead_letter_replay;
struct replay_result;
struct journal_limits;
struct journal_report;

struct relay_request;
struct relay_result;
struct delivery_limits;
struct delivery_report;

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_updates, caf::first_custom_type_id + 900)
CAF_ADD_TYPE_ID(troupe_updates, (troupe::update_verdict))
CAF_ADD_TYPE_ID(troupe_updates, (troupe::queue_key))
CAF_ADD_TYPE_ID(troupe_updates, (troupe::shared_text))
CAF_ADD_TYPE_ID(troupe_updates, (troupe::stored_update))
CAF_ADD_TYPE_ID(troupe_updates, (troupe::updates_ready))
CAF_ADD_TYPE_ID(troupe_updates, (troupe::pull_request))
CAF_ADD_TYPE_ID(troupe_updates, (troupe::pull_answer))
CAF_ADD_TYPE_ID(troupe_updates, (troupe::pull_cancel))
CAF_END_TYPE_ID_BLOCK(troupe_updates)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_journal, caf::first_custom_type_id + 1000)
CAF_ADD_TYPE_ID(troupe_journal, (troupe::update_append))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::append_result))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::update_fetch))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::update_page))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::update_end))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::update_ends))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::update_confirm))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::confirm_result))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::journal_attach))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::journal_forget))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::pending_query))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::pending_count))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::dead_letter_row))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::dead_letter_query))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::dead_letter_page))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::dead_letter_replay))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::replay_result))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::journal_limits))
CAF_ADD_TYPE_ID(troupe_journal, (troupe::journal_report))
CAF_END_TYPE_ID_BLOCK(troupe_journal)

CAF_BEGIN_TYPE_ID_BLOCK(troupe_delivery, caf::first_custom_type_id + 1100)
CAF_ADD_TYPE_ID(troupe_delivery, (troupe::relay_end))
CAF_ADD_TYPE_ID(troupe_delivery, (troupe::relay_request))
CAF_ADD_TYPE_ID(troupe_delivery, (troupe::relay_result))
CAF_ADD_TYPE_ID(troupe_delivery, (troupe::delivery_limits))
CAF_ADD_TYPE_ID(troupe_delivery, (troupe::delivery_report))
CAF_END_TYPE_ID_BLOCK(troupe_delivery)

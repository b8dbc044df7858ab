#include "runtime/api/ask_impl.hpp"

#include "messages/registrar.hpp"

namespace troupe::api {

TROUPE_ASK(bot_row, bot_register)
TROUPE_ASK_ALSO(bot_row, bot_order)
TROUPE_ASK_ALSO(bot_row, bot_rotate)
TROUPE_ASK_ALSO(bot_row, bot_change)
TROUPE_ASK_ALSO(bot_row, bot_remove)
TROUPE_ASK(made_virtual_token, virtual_token_make)
TROUPE_ASK(method_answer, method_call)
TROUPE_ASK(registrar_report, get_report)

} // namespace troupe::api

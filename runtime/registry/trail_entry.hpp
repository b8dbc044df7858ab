#pragma once
#include "messages/store.hpp"

#include <caf/fwd.hpp>

#include <functional>

namespace troupe {

/// Has the store enter `what` in the audit trail, in a while if it cannot now; a store that does not
/// answer for an hour loses it, with a line in the log. An entry whose storing was not confirmed may
/// stand there twice. Blocks nobody.
/// @param store Asked at each try; may return an empty handle. It must stay callable.
void enter_in_trail(caf::actor_system& sys, std::function<store_actor()> store, audit_row what);

} // namespace troupe

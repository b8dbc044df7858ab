#pragma once

namespace troupe {

/// Registers every message type with CAF. Call once, before any actor system exists.
void init_message_types();

} // namespace troupe

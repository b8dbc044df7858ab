#pragma once

namespace troupe::native {

/// Makes the example handler "echo" known: it says what it is told.
void register_echo();

} // namespace troupe::native

#pragma once
#include "tests/sandbox/call.hpp"

namespace troupe::sandbox {

/// Answers with a plausible result of the type that the documentation names for the method.
void answer_sample(const call& c);

} // namespace troupe::sandbox

#pragma once
#include "messages/updates.hpp"

#include <optional>
#include <string_view>

namespace troupe::updates {

/// What came from Telegram, as the journal takes it: nothing unless it is an update (see
/// telegram::read_update). Its lifetime runs from `now`, in milliseconds since 1970: how long it
/// was on its way nobody says.
[[nodiscard]] std::optional<stored_update> receive(std::string_view json, std::int64_t now);

} // namespace troupe::updates

#pragma once
#include "messages/updates.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::updates {

/// What came from Telegram, as the journal takes it, and what intake itself must know of it.
struct received_update {
  stored_update update;
  std::int64_t sender = 0; ///< The user who caused it; 0: nobody.
  std::int64_t chat = 0;   ///< 0: none.
  std::string code;        ///< Of "/start CODE" in a message; mostly empty.
};

/// Nothing unless `json` is an update (see telegram::read_update). Its lifetime runs from `now`, in
/// milliseconds since 1970: how long it was on its way nobody says.
[[nodiscard]] std::optional<received_update> receive(std::string_view json, std::int64_t now);

/// What `receive` does not take, and Telegram would send again and again.
struct rescued_update {
  received_update what;
  /// With its broken text replaced by U+FFFD it is an update. Else it is an `unreadable_update`.
  bool repaired = false;
  std::int64_t id = 0; ///< Telegram's; 0: it has none.
};
[[nodiscard]] rescued_update rescue(std::string_view json, std::int64_t now);

/// UTF-8, without control characters but line ends and tabs: what is neither is U+FFFD.
[[nodiscard]] std::string repaired_text(std::string_view text);

} // namespace troupe::updates

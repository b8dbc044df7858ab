#pragma once
#include "messages/call.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::webhook {

/// The path in `webhook.public-url` without a last slash: "/telegram" of
/// "https://bots.example.org/telegram/", mostly empty.
[[nodiscard]] std::string path_of(std::string_view public_url);

/// Telegram's way to a bot: the public URL, then /webhook/<bot id>.
[[nodiscard]] std::string url_of(std::string_view public_url, bot_id bot);

/// Which bot a request's path is for: /webhook/<bot id>, also under `prefix`, which a proxy may have
/// taken away or not.
[[nodiscard]] std::optional<bot_id> bot_in(std::string_view path, std::string_view prefix) noexcept;

} // namespace troupe::webhook

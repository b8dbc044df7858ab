#pragma once
#include "runtime/updates/settings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the webhook methods say and hear.
namespace troupe::keeping {

/// `result` of getWebhookInfo.
struct webhook_info {
  std::string url;
  bool custom_certificate = false;
  std::uint64_t pending = 0;
  std::string last_error;
  std::int64_t last_error_at = 0; ///< Milliseconds since 1970.
  std::uint32_t max_connections = 0; ///< 0: not told.
  std::optional<std::vector<std::string>> allowed; ///< Sorted. Not told: the default kinds.
};

[[nodiscard]] std::optional<webhook_info> read_info(std::string_view answer);

/// Whether an answer says `"ok": true`.
[[nodiscard]] bool is_ok(std::string_view answer);

/// What an answer says went wrong, for people.
[[nodiscard]] std::string description_of(std::string_view answer);

/// A request's body and what it is.
struct form {
  std::string body;
  std::string content_type = "application/json";
};

/// setWebhook. With a certificate it is a form with a file, else JSON.
[[nodiscard]] form set_webhook(const std::string& url, const std::string& secret,
                               const updates::intake_settings& how,
                               const std::string& certificate);

/// What is remembered of a webhook that is taken over, and setWebhook that brings it back; its
/// secret token nobody can know.
[[nodiscard]] std::string remembered(const webhook_info& x);
[[nodiscard]] std::optional<form> put_back(std::string_view remembered);

/// `allowed_updates` as JSON; empty when not given.
[[nodiscard]] std::string allowed_json(const updates::intake_settings& how);

/// Whether what Telegram has is what the settings ask for.
[[nodiscard]] bool fits(const webhook_info& x, const updates::intake_settings& how,
                        bool certificate);

/// Scheme and host of a URL, for people: what follows may hold a secret.
[[nodiscard]] std::string shown_url(std::string_view url);

[[nodiscard]] std::string message_to(std::int64_t chat, std::string_view text);

} // namespace troupe::keeping

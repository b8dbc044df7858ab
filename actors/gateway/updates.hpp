#pragma once
#include "messages/store.hpp"
#include "messages/updates.hpp"
#include "runtime/registry/services.hpp"
#include "runtime/updates/settings.hpp"

#include <caf/actor.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// getUpdates and the webhook methods of registered bots: they act on the bot's delivery, with the
/// Bot API's semantics.
namespace troupe::gateway {

/// The parameters of these methods, of query and body together.
struct update_params {
  std::int64_t offset = 0;
  std::uint32_t limit = 100;                       ///< 1 to 100.
  std::chrono::seconds timeout{0};                 ///< Of a poll, at most 50.
  std::optional<std::vector<std::string>> allowed; ///< Kinds, when given.
  std::string url;
  std::string secret_token;
  std::optional<std::int64_t> max_connections;
  bool drop_pending = false;
};

[[nodiscard]] update_params read_update_params(std::string_view query, std::string_view body,
                                               std::string_view content_type,
                                               std::string_view content_encoding);

/// Whether a poll with these parameters changes which kinds the bot receives.
[[nodiscard]] bool changes_kinds(const update_params& params,
                                 const updates::update_settings& settings);

/// The answer of getUpdates: updates as they were received.
[[nodiscard]] std::string updates_body(const std::vector<shared_text>& updates);

/// A bot's settings with another delivery.
struct steered_settings {
  std::string json;
  bool changed = false;
};
/// setWebhook. @throws updates::bad_settings
[[nodiscard]] steered_settings with_webhook(std::string_view settings, const update_params& params);
/// deleteWebhook: updates are pulled.
[[nodiscard]] steered_settings with_pull(std::string_view settings);
/// The kinds alone: getUpdates.
[[nodiscard]] steered_settings with_kinds(std::string_view settings, const update_params& params);

/// Where a steering finds what it needs, and for whom it is.
struct steering_ports {
  std::shared_ptr<services> found;
  std::function<caf::strong_actor_ptr()> store;
  std::string client{};           ///< The address, for the audit trail.
  std::int64_t virtual_token = 0; ///< The one that was used; 0: the bot's own.
};

/// Spawns an actor for one request: it answers one `method_call` of setWebhook, deleteWebhook,
/// getWebhookInfo, or (for the kinds alone) getUpdates with a `method_answer`, as the Bot API
/// would, and ends. What it changes is stored when it answers. The call's body is not read:
/// `params` is.
caf::actor spawn_steering(caf::actor_system& sys, steering_ports ports, update_params params);

} // namespace troupe::gateway

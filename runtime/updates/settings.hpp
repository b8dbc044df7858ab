#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::rules {
struct program; // runtime/rules/program.hpp
} // namespace troupe::rules

/// A bot's `updates` and `delivery`, as the control API takes them and the store keeps them.
namespace troupe::updates {

/// How updates reach the node.
enum class intake_mode : std::uint8_t {
  automatic, ///< "auto": webhook when `webhook.public-url` is set, else polling.
  webhook,   ///< "webhook"
  polling,   ///< "polling"
  none,      ///< "none": somebody else receives them; getUpdates and the webhook methods pass
             ///< through to Telegram.
};

struct intake_settings {
  intake_mode mode = intake_mode::automatic;
  /// Kinds to receive; not given: whatever Telegram does by default.
  std::optional<std::vector<std::string>> allowed_updates;
  std::uint32_t max_connections = 40; ///< Of Telegram to the node's webhook, 1 to 100.
  bool take_over = false; ///< Replaces a webhook that the bot has elsewhere; put back at removal.
};

/// How they leave it.
enum class delivery_mode : std::uint8_t {
  pull,   ///< "pull": getUpdates on the gateway.
  relay,  ///< "relay": POSTed to the tenant's URL.
  native, ///< "native": a handler in the node, by name.
  rules,  ///< "rules": answered by the bot's own rules.
};

struct relay_settings {
  std::string url;                    ///< https://… (http:// where private addresses are allowed).
  std::string secret_token;           ///< Sent as X-Telegram-Bot-Api-Secret-Token; may be empty.
  std::uint32_t max_connections = 40; ///< At once, 1 to 100.
  std::chrono::milliseconds timeout{0}; ///< For one answer; 0: the node's.
  std::uint32_t attempts = 0;           ///< Before it is a dead letter; 0: the node's.
};

struct delivery_settings {
  delivery_mode mode = delivery_mode::pull;
  relay_settings relay;
  std::string handler; ///< Of native.
  std::shared_ptr<const rules::program> rules;
};

struct update_settings {
  intake_settings intake;
  delivery_settings delivery;
};

/// A sentence for people that names the member: "delivery.url: must begin with https://".
class bad_settings : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Reads `{"updates":{…},"delivery":{…}}`; either may be missing. Unknown members and wrong types
/// are errors; `webhook_before` is the node's own. @throws bad_settings
[[nodiscard]] update_settings read_settings(std::string_view json);

/// The same JSON with `delivery.secret_token` shown as "***", for answers.
[[nodiscard]] std::string shown_settings(std::string_view json);

/// The node's own member of stored settings: where the bot's webhook led before it was taken over,
/// an object; empty when there is none. And the same settings with another one.
[[nodiscard]] std::string webhook_before(std::string_view json);
[[nodiscard]] std::string with_webhook_before(std::string_view json, std::string_view before);

/// Whether this is the default of everything.
[[nodiscard]] bool is_default(const update_settings& x) noexcept;

} // namespace troupe::updates

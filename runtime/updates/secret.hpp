#pragma once
#include "messages/call.hpp"
#include "runtime/crypto/bytes.hpp"

#include <unordered_map>

namespace troupe::updates {

/// The secret token of a bot's webhook at Telegram: derived from the node's lookup key and the
/// bot's number, so that nothing is stored and every node of a cluster can check it. 43 characters
/// of base64url, which are such as Telegram takes.
class webhook_secret {
public:
  explicit webhook_secret(const crypto::secret_key& lookup_key) : key_(lookup_key) {}

  [[nodiscard]] std::string of(bot_id bot) const;

  /// In a time that does not depend on where the two differ.
  [[nodiscard]] bool fits(bot_id bot, std::string_view secret) const;

private:
  crypto::secret_key key_;
};

/// Secrets that were right, so that they need not be derived again for each update. For one thread.
/// Holds 16,384 of them at most, about 100 bytes each.
class known_secrets {
public:
  /// As webhook_secret::fits.
  [[nodiscard]] bool fits(const webhook_secret& all, bot_id bot, std::string_view secret);

private:
  std::unordered_map<bot_id, std::string> known_;
};

} // namespace troupe::updates

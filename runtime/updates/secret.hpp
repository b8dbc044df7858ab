#pragma once
#include "messages/call.hpp"
#include "runtime/crypto/bytes.hpp"

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

} // namespace troupe::updates

#include "runtime/updates/secret.hpp"

#include "runtime/crypto/hash.hpp"

namespace troupe::updates {

std::string webhook_secret::of(bot_id bot) const {
  return crypto::keyed_hash(key_, "webhook", std::to_string(bot));
}

bool webhook_secret::fits(bot_id bot, std::string_view secret) const {
  return crypto::same(of(bot), secret);
}

} // namespace troupe::updates

#include "runtime/updates/secret.hpp"

#include "runtime/crypto/hash.hpp"

namespace troupe::updates {

std::string webhook_secret::of(bot_id bot) const {
  return crypto::keyed_hash(key_, "webhook", std::to_string(bot));
}

bool webhook_secret::fits(bot_id bot, std::string_view secret) const {
  return crypto::same(of(bot), secret);
}

bool known_secrets::fits(const webhook_secret& all, bot_id bot, std::string_view secret) {
  if (auto found = known_.find(bot); found != known_.end())
    return crypto::same(found->second, secret);
  auto right = all.of(bot);
  if (!crypto::same(right, secret))
    return false; // Nobody fills this who does not know one.
  if (known_.size() >= 16'384)
    known_.clear();
  known_.emplace(bot, std::move(right));
  return true;
}

} // namespace troupe::updates

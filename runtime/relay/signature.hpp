#pragma once
#include "messages/call.hpp"
#include "runtime/crypto/bytes.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// What a receiver can check of a relayed update: docs/delivery.md.
namespace troupe::relay {

/// The key by which a bot's relayed updates are signed: its tenant is shown this text, and uses it
/// as it stands. Derived: nothing to store, the same on every node.
[[nodiscard]] std::string signing_key(const crypto::secret_key& lookup_key, bot_id bot);

/// The value of X-Troupe-Signature: "t=<unix seconds>,v1=<hex>", the HMAC-SHA-256 under `key` of
/// the seconds, a dot and the body.
[[nodiscard]] std::string signature(std::string_view key, std::int64_t now, std::string_view body);

} // namespace troupe::relay

#include "runtime/store/secrets.hpp"

#include "runtime/crypto/hash.hpp"
#include "runtime/store/bots.hpp"

namespace troupe::store {
namespace {

constexpr crypto::seal_context lookup_context{crypto::purpose::lookup_key, 0};
constexpr std::string_view lookup_name = "lookup-key";

std::optional<crypto::sealed> find_secret(unit& u, std::string_view name) {
  auto found = u.row<std::tuple<std::string, std::string>>(
    "SELECT key_id, box FROM secrets WHERE name = :name", name);
  if (!found)
    return std::nullopt;
  return crypto::sealed{std::get<0>(*found), std::get<1>(*found)};
}

} // namespace

bool has_seals(unit& u) {
  return u.value<std::string>("SELECT name FROM secrets LIMIT 1").has_value();
}

crypto::secret_key lookup_key(unit& u, const crypto::key_ring& ring,
                              const crypto::random_source& source) {
  auto found = find_secret(u, lookup_name);
  if (!found) {
    auto key = crypto::random_key(source);
    crypto::secret_text text{crypto::to_base64url(key.reveal())};
    auto box = ring.seal(text.reveal(), lookup_context, source);
    auto added = u.execute("INSERT INTO secrets (name, key_id, box) VALUES (:name, :key_id, :box) "
                           "ON CONFLICT DO NOTHING",
                           lookup_name, box.key_id, box.box);
    if (added != 1)
      throw store_error(fault::busy, "another node made the lookup key just now");
    return key;
  }
  auto text = ring.open(*found, lookup_context);
  crypto::secret_text bytes{crypto::from_base64url(text.reveal()).value_or("")};
  return crypto::secret_key{crypto::as_bytes(bytes.reveal())};
}

reseal_progress reseal(unit& u, const crypto::key_ring& ring, const crypto::random_source& source,
                       std::size_t limit, bot_id after) {
  reseal_progress result;
  result.last = after;
  if (auto own = find_secret(u, lookup_name); own && ring.is_stale(*own)) {
    auto box = ring.seal(ring.open(*own, lookup_context).reveal(), lookup_context, source);
    u.execute("UPDATE secrets SET key_id = :key_id, box = :box WHERE name = :name", box.key_id,
              box.box, lookup_name);
    ++result.resealed;
  }
  auto stale = u.rows<std::tuple<bot_id, std::string, std::string>>(
    "SELECT id, token_key, token_box FROM bots WHERE token_key <> :current AND id > :after "
    "ORDER BY id LIMIT :limit",
    ring.current(), after, limit);
  for (auto& [id, key, box] : stale) {
    crypto::sealed before{key, box};
    crypto::seal_context context{crypto::purpose::bot_token, id};
    result.last = id;
    std::optional<crypto::sealed> now;
    try {
      now = ring.seal(ring.open(before, context).reveal(), context, source);
    } catch (const crypto::crypto_error&) {
      ++result.unreadable;
      continue;
    }
    result.resealed += reseal_bot(u, id, before, *now);
  }
  result.done = stale.size() < limit;
  return result;
}

} // namespace troupe::store

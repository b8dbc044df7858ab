#include "runtime/store/opening.hpp"

#include "runtime/crypto/api_key.hpp"
#include "runtime/crypto/hash.hpp"
#include "runtime/store/idempotency.hpp"
#include "runtime/store/keys.hpp"
#include "runtime/store/migrations.hpp"
#include "runtime/store/secrets.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace troupe::store {
namespace {

/// Tokens in one unit: others' writes wait for no more.
constexpr std::size_t reseal_at_once = 500;

/// A whole new file or none: written beside it, on disk before it has its name.
void write_secret(const std::string& path, const std::string& text) {
  auto fresh = path + ".new";
  auto fail = [&](const char* what) {
    auto why = std::string{what} + ' ' + path + ": " + std::strerror(errno);
    ::unlink(fresh.c_str());
    throw store_error(errno == ENOSPC ? fault::disk_full : fault::other, why);
  };
  ::unlink(fresh.c_str());
  auto fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0)
    fail("cannot make");
  bool good =
    ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!good || ::rename(fresh.c_str(), path.c_str()) != 0)
    fail("cannot write");
}

bool make_operator_key(database& db, const opening& how, const crypto::secret_key& lookup,
                       const crypto::random_source& random) {
  auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  if (how.operator_key_file.empty() || db.read([&](unit& u) { return has_operator_key(u, now); }))
    return false;
  auto key = crypto::make_api_key(crypto::api_key_kind::operator_key, random);
  // First the file: a key that the store knows and nobody has would keep the node from making one.
  write_secret(how.operator_key_file, key.reveal() + '\n');
  db.write([&](unit& u) {
    api_key row;
    row.role = role::operator_;
    row.name = "first";
    row.prefix = crypto::api_key_prefix(key.reveal());
    row.created = now;
    add_key(u, row, crypto::keyed_hash(lookup, crypto::purpose::api_key, key.reveal()));
  });
  return true;
}

renewal reseal_all(database& db, const crypto::key_ring& ring,
                   const crypto::random_source& random) {
  renewal result;
  reseal_progress part;
  while (!part.done) {
    part = db.write([&](unit& u) { return reseal(u, ring, random, reseal_at_once, part.last); });
    result.resealed += part.resealed;
    result.unreadable |= part.unreadable > 0;
  }
  return result;
}

} // namespace

renewal renew(const database_options& where, const crypto::key_ring& ring,
              const crypto::random_source& random, const std::function<void()>& take_over) {
  database db{where};
  db.write([&](unit& u) { return lookup_key(u, ring, random); });
  take_over();
  auto result = reseal_all(db, ring, random);
  // Who sealed when the keys were replaced may have stored it behind the first pass.
  auto late = reseal_all(db, ring, random);
  return {result.resealed + late.resealed, late.unreadable};
}

opened open(const opening& how, const crypto::random_source& random) {
  database db{how.database};
  migrate(db);
  auto places = how.keys;
  places.in_use = db.read([](unit& u) { return has_seals(u); });
  places.embedded = how.database.where.kind == backend::sqlite;
  auto keys = crypto::load_master_keys(places, random);
  auto lookup = db.write([&](unit& u) { return lookup_key(u, keys.ring, random); });
  auto renewed = reseal_all(db, keys.ring, random);
  auto lost = db.write([&](unit& u) { return lose_requests_of(u, how.node); });
  auto made = make_operator_key(db, how, lookup, random);
  return {std::move(keys), std::move(lookup), renewed.resealed, renewed.unreadable, lost, made};
}

} // namespace troupe::store

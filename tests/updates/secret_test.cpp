#define CAF_SUITE updates_secret
#include "runtime/updates/secret.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>
#include <vector>

namespace troupe::secret_suite {

namespace {

crypto::secret_key key_of(std::uint8_t byte) {
  return crypto::secret_key{std::vector<std::uint8_t>(crypto::secret_key::size, byte)};
}

} // namespace

SCENARIO("a webhook's secret belongs to one bot and one key") {
  updates::webhook_secret mine{key_of(1)};
  updates::webhook_secret other{key_of(2)};
  auto secret = mine.of(4711);
  CHECK_EQ(secret.size(), 43u);
  CHECK(std::all_of(secret.begin(), secret.end(),
                    [](char x) { return std::isalnum(x) != 0 || x == '_' || x == '-'; }));
  CHECK_EQ(secret, mine.of(4711));
  CHECK(mine.fits(4711, secret));
  CHECK(!mine.fits(4712, secret));
  CHECK(!other.fits(4711, secret));
  CHECK(!mine.fits(4711, ""));
  CHECK(!mine.fits(4711, secret + "x"));
  // The same, remembered.
  updates::known_secrets known;
  CHECK(!known.fits(mine, 4711, secret + "x"));
  for (int round = 0; round < 2; ++round) {
    CHECK(known.fits(mine, 4711, secret));
    CHECK(!known.fits(mine, 4711, secret + "x"));
    CHECK(!known.fits(mine, 4711, ""));
    CHECK(!known.fits(mine, 4712, secret));
  }
}

} // namespace troupe::secret_suite

#define CAF_SUITE updates_receive
#include "runtime/updates/receive.hpp"

#include "runtime/telegram/updates.hpp"

#include <caf/test/bdd_dsl.hpp>

using namespace troupe;

SCENARIO("what Telegram sends becomes what the journal takes") {
  auto x = updates::receive("\n {\"update_id\":9,\"callback_query\":{\"from\":{\"id\":77}}}\n", 1000)
             .value_or(stored_update{});
  CHECK_EQ(x.id, 9);
  CHECK_EQ(x.seq, 0);
  CHECK_EQ(x.kind, telegram::find_update_kind("callback_query"));
  CHECK(x.urgent);
  CHECK_EQ(x.key.kind, x.kind + 1);
  CHECK_EQ(x.key.id, 77);
  CHECK_EQ(x.received, 1000);
  CHECK_EQ(x.expires, 151'000);
  CHECK_EQ(x.body.str(), "{\"update_id\":9,\"callback_query\":{\"from\":{\"id\":77}}}");
  CHECK(!updates::receive("{}", 1000));
  CHECK(!updates::receive("  ", 1000));
}

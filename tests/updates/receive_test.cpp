#define CAF_SUITE updates_receive
#include "runtime/updates/receive.hpp"

#include "runtime/telegram/updates.hpp"

#include <caf/test/bdd_dsl.hpp>

using namespace troupe;

SCENARIO("what Telegram sends becomes what the journal takes") {
  auto got = updates::receive("\n {\"update_id\":9,\"callback_query\":{\"from\":{\"id\":77}}}\n", 1000)
               .value_or(updates::received_update{});
  auto& x = got.update;
  CHECK_EQ(x.id, 9);
  CHECK_EQ(x.seq, 0);
  CHECK_EQ(x.kind, telegram::find_update_kind("callback_query"));
  CHECK(x.urgent);
  CHECK_EQ(x.key.kind, x.kind + 1);
  CHECK_EQ(x.key.id, 77);
  CHECK_EQ(x.received, 1000);
  CHECK_EQ(x.expires, 151'000);
  CHECK_EQ(x.body.str(), "{\"update_id\":9,\"callback_query\":{\"from\":{\"id\":77}}}");
  CHECK_EQ(got.sender, 77);
  CHECK_EQ(got.code, "");
  auto code = updates::receive(
    R"({"update_id":9,"message":{"from":{"id":77},"chat":{"id":-5},"text":"/start AB"}})", 1);
  CHECK_EQ(code.value_or(updates::received_update{}).code, "AB");
  CHECK_EQ(code.value_or(updates::received_update{}).chat, -5);
  CHECK(!updates::receive("{}", 1000));
  CHECK(!updates::receive("  ", 1000));
}

#define CAF_SUITE updates_receive
#include "runtime/updates/receive.hpp"

#include "runtime/telegram/updates.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::receive_suite {

SCENARIO("an update with broken text is repaired; what is none all the same is kept apart") {
  auto broken = updates::rescue("{\"update_id\":9,\"message\":{\"chat\":{\"id\":5},\"text\":\"a\xFF\xC3(\xE2\x82\"}}", 7);
  CHECK(broken.repaired);
  CHECK_EQ(broken.id, 9);
  CHECK_EQ(broken.what.update.id, 9);
  CHECK_EQ(broken.what.update.key.id, 5);
  CHECK_EQ(broken.what.update.body.str(),
           "{\"update_id\":9,\"message\":{\"chat\":{\"id\":5},\"text\":\"a\uFFFD\uFFFD(\uFFFD\uFFFD\"}}");
  auto unknown = updates::rescue(" { \"update_id\" : 12 , \"message\":{]}", 7);
  CHECK(!unknown.repaired);
  CHECK_EQ(unknown.id, 12);
  CHECK_EQ(unknown.what.update.id, unreadable_update);
  CHECK_EQ(unknown.what.update.received, 7);
  CHECK(unknown.what.update.expires > 7);
  for (auto none : {"7", "{}", "{\"update_id\":\"5\"}", "{\"update_id\":-5}", "{\"id\":5}", ""})
    CHECK_EQ(updates::rescue(none, 7).id, 0);
  CHECK_EQ(updates::repaired_text("a\n\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "a\n\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  CHECK_EQ(updates::repaired_text("\x01\xED\xA0\x80\xC0\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
}

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

} // namespace troupe::receive_suite

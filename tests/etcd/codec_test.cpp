#define CAF_SUITE etcd_codec
#include "runtime/etcd/codec.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::codec_suite {

using namespace troupe::etcd;

SCENARIO("the end of a prefix is the first key after all that begin with it") {
  CHECK_EQ(prefix_end("a/"), "a0");
  CHECK_EQ(prefix_end("a\xff\xff"), "b");
  CHECK_EQ(prefix_end("\xff"), std::string(1, '\0'));
  CHECK_EQ(prefix_end(""), std::string(1, '\0'));
}

SCENARIO("numbers are read as text or as numbers, whole and exact") {
  auto read = [](std::string_view revision) {
    return read_reply(range{}, R"({"header":{"revision":)" + std::string{revision} + "}}");
  };
  CHECK_EQ(read("\"9007199254740993\"")->at, 9007199254740993);
  CHECK_EQ(read("12")->at, 12);
  for (auto* bad : {"\"1x\"", "\"\"", "1.5", "true", "null", "\"9223372036854775808\""})
    CHECK(!read(bad));
}

SCENARIO("what etcd never answers is no answer") {
  for (auto* bad : {"", "{}", "[]", "Not Found", R"({"header":[]})", R"({"header":{},"kvs":{}})",
                    R"({"header":{},"kvs":[1]})", R"({"header":{},"kvs":[{"key":"!"}]})",
                    R"({"header":{},"kvs":[{"key":7}]})", R"({"header":{},"responses":[{}]})",
                    R"({"header":{})"})
    CHECK(!read_reply(range{}, bad));
  CHECK(!read_reply(lease_keep_alive{1}, R"({"header":{}})"));
  CHECK(read_reply(lease_keep_alive{1}, R"({"result":{"header":{},"TTL":"5"}})"));
  for (auto* bad : {"", "{}", "x", R"({"result":1})", R"({"result":{"events":[1]}})"})
    CHECK(!read_watch_line(bad));
}

SCENARIO("errors are read in both of their forms") {
  auto plain = read_complaint(R"({"error":"etcdserver: no leader","message":"x","code":14})");
  REQUIRE(plain.has_value());
  CHECK_EQ(plain->code, 14);
  CHECK_EQ(plain->message, "etcdserver: no leader");
  std::string_view within =
    R"({"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}})";
  REQUIRE(read_complaint(within).has_value());
  CHECK_EQ(read_complaint(within)->message, "etcdserver: no leader");
  auto line = read_watch_line(within);
  REQUIRE(line.has_value());
  CHECK(line->canceled);
  CHECK_EQ(line->code, 14);
  CHECK(!read_complaint(R"({"header":{}})"));
}

} // namespace troupe::codec_suite

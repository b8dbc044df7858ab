#define CAF_SUITE net_upstream_call

#include "runtime/net/upstream_call.hpp"
#include "tests/net/upstream_fixture.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::upstream_call_suite {

using namespace troupe::net;
using namespace troupe::net::test;
using namespace std::literals;

/// A port whose node has one life after the other, each for one look.
struct fixture : upstream_fixture {
  /// What a request comes to while `lives` are what is seen at each look; the last one stays.
  outcome perform(std::vector<std::int64_t> lives) {
    start(plain());
    start_rule rule;
    rule.may_begin = [this, lives] { return lives[std::min(looks++, lives.size() - 1)]; };
    rule.late = [this] { ++late; };
    looks = late = 0;
    lane = std::move(sessions);
    auto port = make_call_port({lane}, {io.get_executor()}, rule);
    lease on;
    on.session = ++last;
    std::optional<outcome> how;
    port->perform(on, {"/bot1:x/getMe", "", ""}, 200ms,
                  [&how](const outcome& said, const api_answer&) { how = said; });
    REQUIRE(until([&how] { return how.has_value(); }));
    return *how;
  }

  std::shared_ptr<upstream_sessions> lane;
  std::size_t looks = 0;
  std::size_t late = 0;
  std::uint64_t last = 0;
};

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a request that goes out in the life in which it began is not late") {
  CHECK(perform({7}).what != failure::not_sent);
  CHECK_EQ(looks, 2u); // Right before it is written, and behind it.
  CHECK_EQ(late, 0u);
}

SCENARIO("a request that went out behind the end of the life in which it began is counted") {
  CHECK(perform({7, 0}).what != failure::not_sent);
  CHECK_EQ(late, 1u);
  CHECK(perform({7, 8}).what != failure::not_sent); // The node has joined again since.
  CHECK_EQ(late, 1u);
}

SCENARIO("where nothing may begin nothing is sent, though the connection is there") {
  CHECK(perform({0}).what == failure::not_sent);
  CHECK_EQ(late, 0u);
  CHECK(until([this] { return server.connections.size() == 1; }));
  CHECK_EQ(server.connections.back().in, std::string(4, ' '));
}

END_FIXTURE_SCOPE()

} // namespace troupe::upstream_call_suite

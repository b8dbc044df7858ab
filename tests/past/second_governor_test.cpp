#define CAF_SUITE second_governor

#include "runtime/policy/grant_engine.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::second_governor_suite {

using namespace std::literals;

namespace {

constexpr auto start = time_point{1h};

/// A process that was started within a window of its predecessor, and its governors.
struct process {
  grant_limits limits;
  grant_memory memory;

  process() {
    limits.budgets.global.rules[0] = {25, 1s};
    limits.budgets.chat.rules = {rate_rule{3, 1s}, rate_rule{20, 20s}};
    limits.budgets.group.rules[0] = {20, 60s};
  }

  /// Whether a governor that begins at `born` grants a request at `at`.
  bool grants(const grant_request& x, duration born, duration at) {
    grant_engine engine{limits, memory, unseen_past::unknown(), start + born};
    engine.set_capacity(1, 10, 10);
    return engine.ask(x, start + at).what == grant_engine::result::granted;
  }
};

grant_request to_chat(bool group) {
  return {.bot = 1, .call = 1, .charged = true, .group = group, .chat = group ? -5 : 5};
}

} // namespace

SCENARIO("what was before the process stays full for its second governor, too") {
  auto request = grant_request{.bot = 1, .call = 1};
  CHECK(!process{}.grants(request, 0s, 0s));
  for (auto [x, window] :
       {std::pair{request, duration{1s}}, std::pair{to_chat(false), duration{20s}},
        std::pair{to_chat(true), duration{60s}}}) {
    process p;
    CHECK(!p.grants(x, 0s, 0s));
    CHECK(!p.grants(x, 1ms, 2ms)); // The first one has crashed.
    CHECK(!p.grants(x, window / 2, window / 2));
    CHECK(!p.grants(x, window - 2ms, window - 1ms));
    CHECK(p.grants(x, window - 1ms, window));
  }
}

SCENARIO("a hold of the past ends by the first governor's clock, not by the second's") {
  process p;
  CHECK(!p.grants(to_chat(true), 0s, 0s));
  CHECK(p.grants(to_chat(true), 59s, 60s));
}

} // namespace troupe::second_governor_suite

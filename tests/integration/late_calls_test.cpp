#define CAF_SUITE integration_late_calls
#include "tests/integration/node_part.hpp"
#include "tests/integration/recorder.hpp"

#include <caf/test/bdd_dsl.hpp>

namespace troupe::late_calls_suite {

using namespace troupe::integration;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t large = 24 * 1024 * 1024; // More than two sockets hold.

/// A node of many that has every shard; its upstream reads what it is let.
struct member {
  explicit member(std::size_t held) : upstream{answer()}, node(options(held)) {}

  static std::string answer() {
    return "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{\"ok\":true,\"result\":true }";
  }
  part_options options(std::size_t held) {
    for (shard_id i = 0; i < shard_count; ++i) {
      view->set_fence(i, 7);
      view->set_ready(i, true);
    }
    view->set_life(7);
    view->hold_until(steady_clock::time_point::max());
    part_options result;
    result.api_root = upstream.url();
    result.gateway.replay_limit = held;
    result.cluster = view;
    return result;
  }
  /// A call whose body is being written when `meanwhile` happens.
  template <class F>
  reply call(std::size_t size, F meanwhile) {
    auto begun = upstream.total();
    upstream.pause_at(begun + 1);
    auto http = node.connect();
    std::thread sender{[&] {
      http.send("POST " + node.path("sendDocument")
                + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: "
                + std::to_string(size) + "\r\n\r\n" + std::string(size, 'x'));
    }};
    CHECK(until([&] { return upstream.total() > begun; }));
    meanwhile();
    upstream.go_on();
    auto got = http.receive();
    sender.join();
    return got;
  }

  std::shared_ptr<cluster_view> view = std::make_shared<cluster_view>();
  recorder upstream;
  node_part node;
};

} // namespace

SCENARIO("a request that goes out behind the end of the lease is counted, once") {
  member of{large * 2};
  auto fine = of.call(large, [] {});
  CHECK_EQ(fine.status, 200);
  CHECK_EQ(of.view->late_calls.load(), 0u);
  auto late = of.call(large, [&] { of.view->hold_until(steady_clock::time_point::min()); });
  CHECK_EQ(late.status, 200); // It was carried out: whoever asked may know.
  CHECK_EQ(of.view->late_calls.load(), 1u);
  of.view->hold_until(steady_clock::time_point::max());
  CHECK_EQ(of.call(large, [&] { of.view->set_life(8); }).status, 200); // It joined anew meanwhile.
  CHECK_EQ(of.view->late_calls.load(), 2u);
}

SCENARIO("an upload whose end is not written when the lease ends is cut off, and not counted") {
  member of{64 * 1024};
  CHECK_EQ(of.call(large, [] {}).status, 200);
  auto cut = of.call(large, [&] { of.view->hold_until(steady_clock::time_point::min()); });
  CHECK(cut.status != 200);
  CHECK_EQ(of.view->late_calls.load(), 0u);
  CHECK(of.upstream.total() < 2 * large);
  CHECK_EQ(of.upstream.requests(), 1u);
}

} // namespace troupe::late_calls_suite

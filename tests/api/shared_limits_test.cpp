#define CAF_SUITE api.shared_limits
#include "runtime/api/context.hpp"
#include "tests/api/managed.hpp"

#include <caf/test/bdd_dsl.hpp>

/// The API's limits over two nodes.
namespace troupe::shared_limits_suite {

using namespace std::literals;
using fakes::told;

namespace {

struct fixture : fakes::managed_node {
  using view_ptr = std::shared_ptr<cluster_view>;

  fixture() {
    limits.requests_per_minute = 10;
    limits.creations_per_minute = 4;
    limits.failures_per_minute = 6;
    for (int i = 0; i < 2; ++i) {
      desks[i] = sys.spawn([this, of = views[i]](caf::event_based_actor* self) -> caf::behavior {
        return {[=, this](peer_request& x) -> caf::result<caf::message> {
          ++asked;
          if (deaf)
            return caf::make_error(ec::draining);
          CHECK(x.to == node_part::quotas);
          auto* element = self->current_mailbox_element();
          caf::actor_cast<caf::actor>(of->quotas.get())
            ->enqueue(
              caf::make_mailbox_element(element->sender, element->mid, {}, std::move(x.what)),
              self->context());
          element->mid.mark_as_answered();
          return caf::delegated<caf::message>{};
        }};
      });
      auto p = managed_ports();
      p.cluster = views[i];
      p.limits = limits;
      nodes[i] = api::make_context(std::move(p));
    }
    split(shard_count / 2);
  }
  ~fixture() {
    for (int i = 0; i < 2; ++i) {
      views[i]->set_others({}, unowned_shards());
      views[i]->quotas.publish({});
      caf::anon_send_exit(desks[i], caf::exit_reason::kill);
      nodes[i] = nullptr;
    }
  }
  /// The first node has the shards below this one, the second the others.
  void split(std::size_t at) {
    shard_owners first = unowned_shards();
    shard_owners second = unowned_shards();
    for (shard_id i = 0; i < shard_count; ++i) {
      views[0]->set_fence(i, i < at ? 1 : 0);
      views[1]->set_fence(i, i < at ? 0 : 1);
      (i < at ? second : first)[i] = 0;
    }
    views[0]->set_others({{"second", desks[1]}}, first);
    views[1]->set_others({{"first", desks[0]}}, second);
  }
  api::response at(int node, std::string_view method, std::string_view target,
                   std::string_view body, std::string_view key) {
    ctx = nodes[node];
    return send(method, target, body, key);
  }
  /// How many of these requests are let in, of `count` that go to both nodes in turn.
  int admitted(int count, std::string_view key) {
    int result = 0;
    for (int i = 0; i < count; ++i)
      result += at(i % 2, "GET", "/v1/me", {}, key).status == 200 ? 1 : 0;
    return result;
  }

  api::api_limits limits;
  std::array<view_ptr, 2> views{std::make_shared<cluster_view>(), std::make_shared<cluster_view>()};
  std::array<caf::actor, 2> desks;
  std::array<std::shared_ptr<api::context>, 2> nodes;
  std::atomic<int> asked{0};
  std::atomic<bool> deaf{false};
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a user's requests are counted once for all nodes, whichever node counts them") {
  for (auto at : {shard_count, std::size_t{0}, shard_count / 2}) {
    split(at);
    CHECK_EQ(admitted(30, developer), 10);
    CHECK_EQ(admitted(30, stranger), 10); // Of another tenant.
    now += 61s;
  }
}

SCENARIO("who has to wait is told so without asking again, and goes on when the minute is over") {
  split(shard_count); // The first node counts.
  CHECK_EQ(admitted(20, developer), 10);
  auto before = asked.load();
  auto refused = at(1, "GET", "/v1/me", {}, developer);
  CHECK_EQ(told(refused), "429 too_many_requests");
  CHECK(refused.headers.find("Retry-After: 60") != std::string::npos);
  CHECK_EQ(asked.load(), before);
  now += 61s;
  CHECK_EQ(admitted(20, developer), 10);
}

SCENARIO("bots that one address registers, and its wrong keys, are counted for all nodes") {
  int made = 0;
  for (int i = 0; i < 12; ++i) {
    auto body = R"({"token":")" + std::to_string(100 + i) + ":" + std::string(35, 'A') + R"("})";
    made += at(i % 2, "POST", "/v1/bots", body, boss).status == 429 ? 0 : 1;
  }
  CHECK_EQ(made, 4);
  std::string wrong = "trp_t_" + std::string(43, 'x');
  int looked_up = 0;
  for (int i = 0; i < 20; ++i)
    looked_up += told(at(i % 2, "GET", "/v1/me", {}, wrong)) == "429 too_many_failures" ? 0 : 1;
  CHECK_EQ(looked_up, 6);
}

SCENARIO("a node that cannot ask who counts grants its part of the limit") {
  deaf = true;
  split(shard_count);
  int first = 0;
  int second = 0;
  for (int i = 0; i < 20; ++i) {
    first += at(0, "GET", "/v1/me", {}, developer).status == 200 ? 1 : 0;
    second += at(1, "GET", "/v1/me", {}, developer).status == 200 ? 1 : 0;
  }
  CHECK_EQ(first, 10); // It counts, and knows nothing of the other's.
  CHECK_EQ(second, 5);
}

SCENARIO("without a limit nobody is asked") {
  for (auto& node : nodes)
    node->requests.set(0);
  CHECK_EQ(admitted(30, developer), 30);
  CHECK_EQ(asked.load(), 0);
}

END_FIXTURE_SCOPE()

} // namespace troupe::shared_limits_suite

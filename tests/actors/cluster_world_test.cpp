#define CAF_SUITE cluster_world
#include "actors/cluster/world.hpp"

#include <caf/test/bdd_dsl.hpp>

#include <algorithm>

namespace troupe::cluster_world_suite {

using namespace troupe::clustering;

/// What etcd would tell, one key after the other.
struct fixture {
  key_space keys{"troupe"};
  world seen;
  etcd::revision at = 0;

  void write(const std::string& key, const std::string& value, etcd::lease_id lease = 0) {
    ++at;
    seen.apply(keys, {key, value, at, at, 1, lease});
  }
  void erase(const std::string& key) { seen.apply(keys, {key, {}, 0, ++at, 0, 0}); }

  void join(const std::string& node, std::uint32_t capacity = 1) {
    node_record x;
    x.capacity = capacity;
    write(keys.node(node), to_text(x), at + 100);
  }
  void leave(const std::string& node) {
    erase(keys.node(node));
    for (shard_id i = 0; i < shard_count; ++i)
      if (seen.shards[i].node == node)
        erase(keys.shard(i));
  }

  /// The leader plans until nothing is left to do; nodes give up and take what they are to.
  /// @returns how many shards went from one living node to another
  std::size_t settle(std::size_t max_moves) {
    std::size_t moved = 0;
    for (int round = 0; round < 1000; ++round) {
      auto next = seen.next_plan(max_moves);
      if (!next)
        return moved;
      write(keys.plan(), to_text(*next));
      std::size_t moving = 0;
      for (shard_id i = 0; i < shard_count; ++i) {
        const auto to = seen.target(i);
        if (to.empty() || to == seen.shards[i].node)
          continue;
        moving += seen.shards[i].node.empty() ? 0 : 1;
        write(keys.shard(i), to, seen.nodes.at(to).lease);
      }
      CHECK(moving <= max_moves);
      moved += moving;
    }
    FAIL("it never settles");
    return moved;
  }

  [[nodiscard]] std::map<std::string, std::size_t> owned() const {
    std::map<std::string, std::size_t> result;
    for (const auto& x : seen.shards)
      ++result[x.node];
    return result;
  }
};

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a plan and a node's record read as they were written, and nonsense as nothing") {
  shard_plan plan;
  plan.nodes = {"a", "b"};
  for (shard_id i = 0; i < shard_count; ++i)
    plan.owners[i] = i % 7 == 0 ? no_node : i % 2;
  auto again = read_plan(to_text(plan));
  REQUIRE(again.has_value());
  CHECK(again->nodes == plan.nodes);
  CHECK(again->owners == plan.owners);
  node_record record{"1.2", "host:7801", "---", 5, true};
  auto node = read_node(to_text(record));
  REQUIRE(node.has_value());
  CHECK_EQ(node->address, "host:7801");
  CHECK_EQ(node->capacity, 5u);
  CHECK(node->leaving);
  for (const char* text : {"", "{", "[]", "{\"nodes\":[\"a\"],\"shards\":[[1,4]]}",
                           "{\"nodes\":[\"a\"],\"shards\":[[0,2000]]}", "{\"nodes\":3}"})
    CHECK(!read_plan(text).has_value());
  CHECK(!read_node("7").has_value());
}

SCENARIO(
  "what a node asks of a leader by way of etcd reads as it was written, and nonsense as nothing") {
  slice_ask ask{~std::uint64_t{0}, 7, 1'234, 5, 40, 3};
  auto asked = read_ask(to_text(ask));
  REQUIRE(asked.has_value());
  CHECK_EQ(caf::deep_to_string(*asked), caf::deep_to_string(ask));
  slice_given answer{7, 1'234, 6, 25, std::chrono::seconds{1}, std::chrono::milliseconds{300}};
  auto given = read_given(to_text(answer));
  REQUIRE(given.has_value());
  CHECK_EQ(caf::deep_to_string(*given), caf::deep_to_string(answer));
  for (const char* text : {"", "{", "[]", "{\"holder\":1}", "{\"request\":-1}", "7"}) {
    CHECK(!read_ask(text).has_value());
    CHECK(!read_given(text).has_value());
  }
  CHECK_EQ(keys.read(keys.ask("n1")).name, "n1");
  CHECK(keys.read(keys.given("n1")).what == key_space::kind::given);
  write(keys.ask("n1"), to_text(ask)); // Changes nothing of the world.
  CHECK(seen.nodes.empty());
}

SCENARIO("keys lead to what they are about") {
  CHECK_EQ(keys.shard(7), "/troupe/shards/0007");
  CHECK_EQ(keys.read("/troupe/shards/1023").shard, 1023);
  CHECK(keys.read("/troupe/shards/1024").what == key_space::kind::other);
  CHECK(keys.read("/troupe2/leader").what == key_space::kind::other);
  CHECK_EQ(keys.read("/troupe/nodes/n1").name, "n1");
}

SCENARIO("one node has all; those that join take an equal part, in steps, and nothing more moves") {
  join("a");
  CHECK_EQ(settle(64), 0u);
  CHECK_EQ(owned().at("a"), 1024u);
  join("b");
  CHECK_EQ(settle(64), 512u);
  join("c");
  CHECK_EQ(settle(64), 341u);
  for (auto& [node, count] : owned())
    CHECK(count == 341 || count == 342);
}

SCENARIO("a node that is lost leaves its shards to the others; theirs stay") {
  for (auto node : {"a", "b", "c"})
    join(node);
  settle(1024);
  auto before = seen.shards;
  leave("b");
  CHECK_EQ(settle(64), 0u);
  for (shard_id i = 0; i < shard_count; ++i)
    if (before[i].node != "b")
      CHECK_EQ(seen.shards[i].node, before[i].node);
  CHECK_EQ(owned().at("a") + owned().at("c"), 1024u);
  CHECK_EQ(owned().count(""), 0u);
}

SCENARIO("a draining node ends with nothing, takes nothing, and comes back") {
  for (auto node : {"a", "b", "c"})
    join(node);
  settle(1024);
  write(keys.drain("c"), "1");
  settle(64);
  CHECK_EQ(owned().count("c"), 0u);
  erase(keys.drain("c"));
  settle(64);
  CHECK(owned().at("c") >= 341u);
}

SCENARIO("the last node that drains keeps what nobody else could take") {
  join("a");
  settle(64);
  write(keys.drain("a"), "1");
  CHECK_EQ(settle(64), 0u);
  CHECK_EQ(owned().at("a"), 1024u);
}

SCENARIO("capacities are kept to, and a node without takes nothing") {
  join("a", 1);
  join("b", 3);
  join("c", 0);
  settle(1024);
  CHECK_EQ(owned().at("a"), 256u);
  CHECK_EQ(owned().at("b"), 768u);
  CHECK_EQ(owned().count("c"), 0u);
}

SCENARIO("a plan that is lost moves nothing that somebody serves") {
  for (auto node : {"a", "b"})
    join(node);
  settle(1024);
  auto before = seen.shards;
  erase(keys.plan());
  CHECK_EQ(settle(64), 0u);
  for (shard_id i = 0; i < shard_count; ++i)
    CHECK_EQ(seen.shards[i].node, before[i].node);
}

END_FIXTURE_SCOPE()

} // namespace troupe::cluster_world_suite

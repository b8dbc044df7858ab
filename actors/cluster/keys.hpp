#pragma once
#include "messages/cluster.hpp"
#include "runtime/policy/shard_map.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a cluster keeps in etcd, all under /NAME/:
///
///   nodes/NODE   node_record, under the node's lease: the node is there
///   leader       NODE, under its lease: assigns shards, divides the budget; its revision of
///                creation is its epoch
///   plan         shard_plan: who is to have which shard; written by the leader alone
///   shards/NNNN  NODE, under its lease: has the shard; its revision of creation is the fencing
///                token
///   drain/NODE   the node is to have no shard
///   asks/NODE    slice_ask, under NODE's lease: of a node that cannot reach the leader
///   given/NODE   slice_given, under NODE's lease: the leader's answer
namespace troupe::clustering {

struct node_record {
  std::string version;
  std::string address;
  std::string certificate;
  std::uint32_t capacity = 1;
  bool leaving = false; ///< It is about to stop.
};

[[nodiscard]] std::string to_text(const node_record& x);
/// Nothing for what this version cannot read.
[[nodiscard]] std::optional<node_record> read_node(std::string_view text);

/// Nodes by name, and for each shard an index into them, or `no_node`.
struct shard_plan {
  std::vector<std::string> nodes;
  shard_owners owners = unowned_shards();
};

[[nodiscard]] std::string to_text(const shard_plan& x);
[[nodiscard]] std::optional<shard_plan> read_plan(std::string_view text);

[[nodiscard]] std::string to_text(const slice_ask& x);
[[nodiscard]] std::optional<slice_ask> read_ask(std::string_view text);
[[nodiscard]] std::string to_text(const slice_given& x);
[[nodiscard]] std::optional<slice_given> read_given(std::string_view text);

/// The keys of one cluster.
class key_space {
public:
  explicit key_space(const std::string& cluster) : prefix_("/" + cluster + "/") {}

  [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }
  [[nodiscard]] std::string node(std::string_view name) const { return of("nodes/", name); }
  [[nodiscard]] std::string drain(std::string_view name) const { return of("drain/", name); }
  [[nodiscard]] std::string ask(std::string_view name) const { return of("asks/", name); }
  [[nodiscard]] std::string given(std::string_view name) const { return of("given/", name); }
  [[nodiscard]] std::string leader() const { return prefix_ + "leader"; }
  [[nodiscard]] std::string plan() const { return prefix_ + "plan"; }
  [[nodiscard]] std::string shard(shard_id id) const;

  enum class kind : std::uint8_t { other, node, leader, plan, shard, drain, ask, given };
  struct place {
    kind what = kind::other;
    std::string name; ///< Of the node.
    shard_id shard = 0;
  };
  [[nodiscard]] place read(std::string_view key) const;

private:
  [[nodiscard]] std::string of(std::string_view folder, std::string_view name) const {
    return prefix_ + std::string{folder} + std::string{name};
  }

  std::string prefix_;
};

} // namespace troupe::clustering

#pragma once
#include "messages/cluster.hpp"
#include "runtime/policy/shard_map.hpp"

#include <caf/typed_response_promise.hpp>

#include <map>
#include <vector>

/// What a journal of many on one store knows of its shards.
namespace troupe::journal {

/// A shard that this node has.
struct shard_held {
  std::int64_t revision = 0; ///< 0: it is not ours.
  std::uint64_t term = 0;    ///< Another one each time that it is loaded.
  bool leaving = false;      ///< Takes no new updates; what waits is written.
};
/// Shards on their way to us.
struct gain {
  std::map<shard_id, std::int64_t> shards; ///< And their revisions.
  std::vector<caf::typed_response_promise<done>> waiting;
};
struct departure {
  std::vector<shard_id> shards;
  caf::typed_response_promise<done> to;
};

} // namespace troupe::journal

#pragma once
#include "actors/cluster/cluster.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/services.hpp"
#include "runtime/registry/token_vault.hpp"
#include "runtime/registry/virtual_tokens.hpp"

namespace troupe {

/// What leads from a token to a bot of this node; as the gateway has it.
struct finder_ports {
  std::shared_ptr<services> found; ///< With a `cluster`.
  std::shared_ptr<directory> names;
  siphash_key token_key{};
  std::shared_ptr<const virtual_tokens> virtuals;
  std::shared_ptr<const token_vault> vault;
  std::function<virtual_tokens::wall_time()> now;
};

/// `desk_ports::find` over them. Errors: see `bot_find`; ec::draining while the shard is on its
/// way.
[[nodiscard]] std::function<caf::result<bot_found>(caf::event_based_actor*, const bot_find&)>
make_finder(finder_ports ports);

} // namespace troupe

#pragma once
#include "runtime/store/bots.hpp"

/// Bots and tokens as tests need them.
namespace troupe::store {

inline bot sample_bot(bot_id id, tenant_id tenant = 1) {
  bot result;
  result.id = id;
  result.tenant = tenant;
  result.username = "bot_" + std::to_string(id);
  result.name = "Bot " + std::to_string(id);
  result.created = result.updated = result.state.since =
    wall_time{std::chrono::milliseconds{1'700'000'000'000}};
  return result;
}

inline stored_token sample_token(bot_id id) {
  auto text = std::to_string(id);
  return {{"key-1", "box-" + text}, "hash-" + text};
}

} // namespace troupe::store

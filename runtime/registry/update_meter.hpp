#pragma once
#include <chrono>
#include <cstdint>
#include <functional>

namespace troupe {

namespace updates {
enum class delivery_mode : std::uint8_t; // runtime/updates/settings.hpp
} // namespace updates

/// What happened to an update on its way to its receiver.
enum class update_step : std::uint8_t {
  delivered, ///< Its receiver acknowledged it.
  failed,    ///< An attempt failed; another one follows.
  dead,      ///< It became a dead letter.
  expired,   ///< Its lifetime was over.
};

/// Counts steps, for metrics. `lag`: since the node received the update. Called by bots at each
/// step: thread-safe, quick.
using update_meter =
  std::function<void(updates::delivery_mode how, update_step what, std::chrono::milliseconds lag)>;

} // namespace troupe

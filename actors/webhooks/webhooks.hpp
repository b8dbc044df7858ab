#pragma once
#include "messages/intake.hpp"
#include "messages/store.hpp"
#include "runtime/registry/services.hpp"
#include "runtime/updates/secret.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace troupe {

struct webhooks_config {
  std::string public_url;  ///< How Telegram reaches the node; empty: bots are polled.
  std::string former_url;  ///< Webhooks that lead there are this node's, too.
  std::string certificate; ///< PEM, for Telegram to trust; empty: it trusts by itself.
  caf::timespan check_every = std::chrono::minutes{10}; ///< At most so often for one bot.
  double looks_per_second = 5;                          ///< Bots looked at, over all.
  /// Bots whose updates stopped for so long at least are looked at before the others' turn; whose
  /// did is asked twice in that time.
  caf::timespan silent_after = std::chrono::minutes{1};
  caf::timespan patience = std::chrono::seconds{30};   ///< For one request.
  caf::timespan first_retry = std::chrono::seconds{2}; ///< After a failure, doubling ...
  caf::timespan last_retry = std::chrono::minutes{5};  ///< ... up to this.
  /// Codes of one sender that a bot tries, and answers that it gives to wrong ones; more are
  /// ignored.
  std::uint32_t codes_per_minute = 10;
};

struct webhooks_ports {
  std::shared_ptr<services> found; ///< With `updates`.
  std::shared_ptr<const updates::webhook_secret> secret;
  std::function<store_actor()> store; ///< Asked at each use; may give an empty handle.
  /// Whose updates stopped though they were coming, each once (silence_watch); may be empty.
  std::function<std::vector<std::int64_t>()> silent = {};
};

/// Spawns what keeps webhooks; it asks the registrar for all bots at once. See messages/intake.hpp.
webhooks_actor spawn_webhooks(caf::actor_system& sys, webhooks_config config, webhooks_ports ports);

} // namespace troupe

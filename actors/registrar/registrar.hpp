#pragma once
#include "messages/registrar.hpp"
#include "runtime/net/call_port.hpp"
#include "runtime/registry/directory.hpp"
#include "runtime/registry/services.hpp"
#include "runtime/registry/token_vault.hpp"
#include "runtime/registry/virtual_tokens.hpp"

#include <caf/fwd.hpp>

#include <atomic>
#include <functional>
#include <memory>

namespace troupe {

struct registrar_config {
  std::uint32_t page = 1000;                           ///< Bots that are read at once at a start.
  caf::timespan store_pause = std::chrono::seconds{1}; ///< Before a store that did not answer is
                                                       ///< asked again.
  caf::timespan patience =
    std::chrono::seconds{10}; ///< For a request of its own without a deadline.
  std::chrono::milliseconds request_timeout{60'000}; ///< One exchange with the upstream.
  caf::timespan peer_patience =
    std::chrono::seconds{60}; ///< For another node's answer; then nobody knows the outcome.
  /// Requests about a bot that is on its way to another node wait so long for it.
  caf::timespan move_patience = std::chrono::seconds{10};
  /// Calls of bots that go to another node are waited for; what takes longer is cut off.
  caf::timespan calls_patience = std::chrono::seconds{30};
  /// The same of updates that are with receivers, which the bot's next node would deliver again:
  /// not longer, since the others' wait meanwhile.
  caf::timespan deliveries_patience = std::chrono::seconds{5};
  caf::timespan rates_every = std::chrono::minutes{1}; ///< In a cluster, the tenants' rates are
                                                       ///< read anew so often.
  std::size_t max_busy = 10'000; ///< Operations at once; more are refused with `unavailable`.
};

struct registrar_ports {
  std::function<store_actor()> store; ///< Asked at each use; may be empty.
  std::shared_ptr<services> found;
  std::shared_ptr<directory> names;
  siphash_key token_key{}; ///< The directory's.
  std::shared_ptr<token_vault> vault;
  std::shared_ptr<virtual_tokens> virtuals;
  std::shared_ptr<net::call_port> upstream;
  /// Whether a request's sender is on another node, which passed it on; empty: by its address.
  std::function<bool(const caf::strong_actor_ptr&)> from_peer;
  /// Told how each request of its own ended, for metrics and usage. May be null.
  std::function<void(bot_id, const call&, const outcome&)> ended;
  /// How many registrars the node had: calls of two of them have different ids. Shared by all of
  /// them. Not the process's: what a node does is not to depend on another one beside it.
  std::shared_ptr<std::atomic<std::uint64_t>> incarnations =
    std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// A supervisor of bots tells the registrar of a phase that a bot got into by itself: quarantined
/// (for so long), unauthorized, active again; and of its quarantines in a row. Bots that are not
/// registered are ignored.
using phase_note = caf::result<void>(bot_id, bot_phase, caf::timespan, std::string, std::uint32_t);

/// Spawns the registrar; it restores what is stored at once. See messages/registrar.hpp.
registrar_actor spawn_registrar(caf::actor_system& sys, registrar_config config,
                                registrar_ports ports);

/// Sends a phase_note.
void note_phase(const registrar_actor& to, bot_id bot, bot_phase phase, caf::timespan rest,
                std::string reason, std::uint32_t quarantines);

} // namespace troupe

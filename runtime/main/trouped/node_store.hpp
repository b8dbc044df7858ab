#pragma once
#include "actors/store/store.hpp"
#include "runtime/config/settings.hpp"
#include "runtime/store/opening.hpp"
#include "runtime/updates/secret.hpp"

#include <caf/fwd.hpp>

#include <memory>
#include <optional>
#include <string>

namespace troupe {

/// What a node stores, opened: the database's threads and the keys. Outlives the actors.
class node_store {
public:
  /// Opens the database, making it, the master key and a first operator key where there are none.
  /// Blocks. @throws std::exception with a sentence for people
  explicit node_store(const config::settings& settings);

  /// Spawns the store's actor; again after each of its deaths. @param cluster null for a node by itself
  [[nodiscard]] store_actor spawn(caf::actor_system& sys,
                                  std::shared_ptr<const cluster_view> cluster) const;

  /// Where its SQL runs.
  [[nodiscard]] const std::shared_ptr<storage::sql_port>& sql() const noexcept { return sql_; }

  /// The keyed hash by which virtual tokens are known. Thread-safe.
  [[nodiscard]] std::string virtual_hash(std::string_view token) const;

  /// The secrets of webhooks at Telegram.
  [[nodiscard]] std::shared_ptr<const updates::webhook_secret> webhook_secret() const;

  /// The key by which a bot's relayed updates are signed. Thread-safe.
  [[nodiscard]] std::string signing_key(bot_id bot) const;

  /// Reads the master keys again; with others than before seals everything anew. Blocks. Keys that
  /// cannot serve are told of in the log, and nothing changes.
  void renew_keys();

  /// For the trail: that another store was put in the place of this one while no node ran.
  [[nodiscard]] std::optional<audit_row> restoration() const;
  /// It is entered.
  void forget_restoration() const;

private:
  std::string note_; ///< The file in which troupectl said so; empty: there can be none.
  std::string where_;
  store::opening how_;
  std::shared_ptr<const storage::context> context_;
  std::shared_ptr<storage::sql_port> sql_;
};

} // namespace troupe

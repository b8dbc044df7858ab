#include "runtime/config/schema/sections.hpp"

// Settings of what is kept and shared: journal, delivery, store, cluster.
namespace troupe::config {
namespace {

const std::array of_journal{
  changes_live(option{"journal", "max-pending", AT(journal.max_pending),
                      "Updates of one bot waiting for delivery; then its intake pauses.", "updates",
                      1, 10'000'000}),
  changes_live(option{"journal", "lifetime", AT(journal.lifetime),
                      "An update not delivered for so long becomes a dead letter; those of kinds "
                      "that are of no use so long are only counted, earlier.",
                      {}, minute, 30 * day}),
  changes_live(option{"journal", "cache", AT(journal.cache),
                      "Updates kept in memory, over all bots; what does not fit is read from the "
                      "store when it is delivered.",
                      "bytes", 0, 64 * 1024 * mib}),
  changes_live(option{"journal", "remembered", AT(journal.remembered),
                      "Delivered updates of one bot that are remembered, so that Telegram's "
                      "repetitions of them are known.",
                      "updates", 100, 1'000'000}),
  changes_live(option{"journal", "max-dead-letters", AT(journal.max_dead_letters),
                      "Dead letters of one bot; then the oldest go.", "dead letters", 1,
                      1'000'000}),
};

const std::array of_delivery{
  option{"delivery",
         "allow-private-addresses",
         AT(delivery.allow_private_addresses),
         "Whether updates may be relayed to private and loopback addresses.",
         {},
         0,
         0,
         form::any,
         {},
         later},
  option{"delivery",
         "pull-conflict",
         AT(delivery.pull_conflict),
         "Of two polls of one bot the older ends empty, or the newer is refused.",
         {},
         0,
         0,
         form::choice,
         "newest-wins|conflict-409",
         later},
};

const std::array of_store{
  option{"store",
         "uri",
         AT(store.uri),
         "sqlite:PATH or postgresql://USER@HOST/NAME; empty: SQLite in node.data-dir. A URI with a "
         "password belongs into this file or the environment variable TROUPE_STORE_URI.",
         {},
         0,
         0,
         form::store_uri,
         {},
         later},
};

const std::array of_cluster{
  option{"cluster",
         "etcd",
         AT(cluster.etcd),
         "Addresses of the etcd cluster, separated by commas; empty: a single node.",
         {},
         0,
         0,
         form::any,
         {},
         later},
};

} // namespace

std::span<const option> journal_section() noexcept {
  return of_journal;
}

std::span<const option> delivery_section() noexcept {
  return of_delivery;
}

std::span<const option> store_section() noexcept {
  return of_store;
}

std::span<const option> cluster_section() noexcept {
  return of_cluster;
}

} // namespace troupe::config

#include "runtime/config/schema/sections.hpp"

// Settings of what is kept and shared: journal, delivery, store, cluster.
namespace troupe::config {
namespace {

const std::array of_journal{
  changes_live(option{"journal", "max-pending", AT(journal.max_pending),
                      "Updates of one bot waiting for delivery; then its intake pauses.", "updates",
                      1, 10'000'000}),
  changes_live(option{"journal",
                      "lifetime",
                      AT(journal.lifetime),
                      "An update not delivered for so long becomes a dead letter; those of kinds "
                      "that are of no use so long are only counted, earlier.",
                      {},
                      minute,
                      30 * day}),
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
  changes_live(option{"delivery", "max-connections", AT(delivery.max_connections),
                      "Connections to all tenants' URLs. One tenant has at most three quarters; "
                      "the last eighth is for tenants that have next to none.",
                      "connections", 1, 100'000}),
  changes_live(option{"delivery", "max-per-host", AT(delivery.max_per_host),
                      "Connections to one host and port.", "connections", 1, 100'000}),
  changes_live(
    option{"delivery",
           "timeout",
           AT(delivery.timeout),
           "For one update's POST and the whole answer; a bot's own settings may say less.",
           {},
           100 * ms,
           hour}),
  changes_live(option{"delivery",
                      "idle-timeout",
                      AT(delivery.idle_timeout),
                      "A connection that was idle for longer is closed.",
                      {},
                      ms,
                      hour}),
  changes_live(option{"delivery", "attempts", AT(delivery.attempts),
                      "Attempts that a receiver may fail before an update is a dead letter; a "
                      "bot's own settings may say otherwise. Who could not be reached, or said "
                      "429, 502, 503 or 504, did not fail.",
                      "attempts", 1, 1000}),
  option{"delivery", "ca-file", AT(delivery.ca_file),
         "PEM file of authorities to trust instead of the system's."},
  changes_live(option{"delivery", "allow-private-addresses", AT(delivery.allow_private_addresses),
                      "Whether updates may be relayed to private and loopback addresses, and "
                      "without TLS. For development."}),
  changes_live(option{"delivery",
                      "pull-conflict",
                      AT(delivery.pull_conflict),
                      "Of two polls of one bot the older ends empty, or the newer is refused.",
                      {},
                      0,
                      0,
                      form::choice,
                      "newest-wins|conflict-409"}),
  option{"delivery", "native-threads", AT(delivery.native_threads),
         "Threads that the handlers in C++ of all bots run on.", "threads", 1, 256},
  option{
    "delivery",
    "native-timeout",
    AT(delivery.native_timeout),
    "A handler in C++ that does not return in time is written off with its thread, and its bot "
    "quarantined.",
    {},
    100 * ms,
    hour},
  option{"delivery", "rules-dir", AT(delivery.rules_dir),
         "A folder with rules that bots name: NAME.json; read at the start. Empty: none."},
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
         form::store_uri},
  option{"store", "max-users", AT(store.max_users), "Users of one tenant.", "users", 1, 1'000'000},
  option{"store", "max-keys", AT(store.max_keys), "Valid API keys of one tenant.", "keys", 1,
         1'000'000},
  option{"store", "max-virtual-tokens", AT(store.max_virtual_tokens),
         "Valid virtual tokens of one bot; those of all bots are kept in memory.", "tokens", 1,
         1'000'000},
};

const std::array of_cluster{
  option{
    "cluster", "etcd", AT(cluster.etcd),
    "URLs of etcd's members, separated by commas; empty: a node by itself. A node of a cluster "
    "has a node.name of its own, and PostgreSQL as its store."},
  option{"cluster", "etcd-ca-file", AT(cluster.etcd_ca_file),
         "PEM file of the authorities that sign etcd's certificates; empty: the system's."},
  option{"cluster", "etcd-cert-file", AT(cluster.etcd_cert_file),
         "PEM file with the certificate shown to etcd, with its chain; empty: none."},
  option{"cluster", "etcd-key-file", AT(cluster.etcd_key_file),
         "PEM file with that certificate's private key."},
  option{"cluster", "name", AT(cluster.name),
         "Of the cluster: one etcd can serve several. The same on all its nodes."},
  option{"cluster", "address", AT(cluster.address),
         "host:port by which other nodes reach this one; empty: cluster.bind and the port bound."},
  option{"cluster",
         "bind",
         AT(cluster.bind),
         "Address to listen on for other nodes.",
         {},
         0,
         0,
         form::ip_address},
  option{"cluster",
         "port",
         AT(cluster.port),
         "Port to listen on for other nodes; 0: any free one.",
         {},
         0,
         65'535},
  option{"cluster",
         "capacity",
         AT(cluster.capacity),
         "How much of the bots the node takes, relative to the others; 0: none.",
         {},
         0,
         1'000},
  option{"cluster",
         "lease-ttl",
         AT(cluster.lease_ttl),
         "A node that etcd has not heard of for so long is lost, and others take its bots over. In "
         "whole seconds; etcd takes none below its election timeout.",
         {},
         2 * second,
         minute},
  option{"cluster", "max-moves", AT(cluster.max_moves),
         "Of 1,024 shards so many at most are on their way between two living nodes at once.",
         "shards", 1, 1'024},
  option{"cluster", "ca-file", AT(cluster.ca_file),
         "PEM file of the authority that signs the nodes' certificates. All three files, or none: "
         "without them nodes speak in the clear, which is for one machine alone."},
  option{
    "cluster", "cert-file", AT(cluster.cert_file),
    "PEM file with this node's certificate, good for client and server. It is read anew for each "
    "connection."},
  option{"cluster", "key-file", AT(cluster.key_file),
         "PEM file with that certificate's private key."},
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

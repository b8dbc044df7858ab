#pragma once
#include "messages/store_ids.hpp"

/// The types of messages/cluster.hpp, in a header of their own. Append only.
namespace troupe {

enum class peer_part : std::uint8_t;

struct shard_hold;
struct shards_gained;
struct shards_lost;
struct cluster_drain;
struct cluster_leave;
struct cluster_renew;
struct cluster_budget;
struct cluster_node_row;
struct cluster_report;
struct slice_ask;
struct slice_given;
struct slice_part;
struct slice_part_given;
struct slices_ask;
struct slices_given;
struct past_message;
struct past_of_shard;
struct past_hold;
struct pasts_keep;
struct pasts_ask;
struct pasts_kept;
struct peer_hello;
struct peer_welcome;
struct peer_request;
struct bot_find;
struct bot_found;
struct box_filled;
struct bot_steer;

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_cluster, caf::first_custom_type_id + 1300)
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::peer_part))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::shard_hold))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::shards_gained))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::shards_lost))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::cluster_drain))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::cluster_node_row))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::cluster_report))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::slice_ask))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::slice_given))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::peer_hello))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::peer_welcome))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::peer_request))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::bot_find))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::bot_found))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::box_filled))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::cluster_leave))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::cluster_renew))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::bot_steer))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::cluster_budget))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::slice_part))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::slice_part_given))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::slices_ask))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::slices_given))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::past_message))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::past_of_shard))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::pasts_keep))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::pasts_ask))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::pasts_kept))
CAF_ADD_TYPE_ID(troupe_cluster, (troupe::past_hold))
CAF_END_TYPE_ID_BLOCK(troupe_cluster)

#include "messages/all_ids.hpp"

#include "messages/bot.hpp"
#include "messages/cluster.hpp"
#include "messages/delivery.hpp"
#include "messages/gateway.hpp"
#include "messages/health.hpp"
#include "messages/intake.hpp"
#include "messages/journal.hpp"
#include "messages/api_peer.hpp"
#include "messages/rate_governor.hpp"
#include "messages/registrar.hpp"
#include "messages/session_pool.hpp"
#include "messages/store.hpp"
#include "messages/supervisor.hpp"

#include <caf/init_global_meta_objects.hpp>

namespace troupe {

void init_message_types() {
  // One block a call; CAF's own last.
  caf::init_global_meta_objects<caf::id_block::troupe_common>();
  caf::init_global_meta_objects<caf::id_block::troupe_bot>();
  caf::init_global_meta_objects<caf::id_block::troupe_session_pool>();
  caf::init_global_meta_objects<caf::id_block::troupe_rate_governor>();
  caf::init_global_meta_objects<caf::id_block::troupe_health>();
  caf::init_global_meta_objects<caf::id_block::troupe_supervisor>();
  caf::init_global_meta_objects<caf::id_block::troupe_gateway>();
  caf::init_global_meta_objects<caf::id_block::troupe_store>();
  caf::init_global_meta_objects<caf::id_block::troupe_registrar>();
  caf::init_global_meta_objects<caf::id_block::troupe_updates>();
  caf::init_global_meta_objects<caf::id_block::troupe_journal>();
  caf::init_global_meta_objects<caf::id_block::troupe_delivery>();
  caf::init_global_meta_objects<caf::id_block::troupe_intake>();
  caf::init_global_meta_objects<caf::id_block::troupe_cluster>();
  caf::init_global_meta_objects<caf::id_block::troupe_api_peer>();
  caf::core::init_global_meta_objects();
}

} // namespace troupe

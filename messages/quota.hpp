#pragma once
#include "messages/enum.hpp"
#include "messages/fields.hpp"

#include <caf/typed_actor.hpp>

#include <string>

/// Limits of the control API that hold over all nodes of a cluster. What crosses nodes is laid out
/// for ever.
namespace troupe {

/// What is counted: requests of a user, bots registered from an address, wrong keys from one.
enum class quota_kind : std::uint8_t;
struct quota_take;
struct quota_said;

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_quota, caf::first_custom_type_id + 1400)
CAF_ADD_TYPE_ID(troupe_quota, (troupe::quota_kind))
CAF_ADD_TYPE_ID(troupe_quota, (troupe::quota_take))
CAF_ADD_TYPE_ID(troupe_quota, (troupe::quota_said))
CAF_END_TYPE_ID_BLOCK(troupe_quota)

namespace troupe {

enum class quota_kind : std::uint8_t { requests, creations, failures };
inline constexpr std::array quota_kind_names{"requests", "creations", "failures"};
TROUPE_ENUM(quota_kind, quota_kind_names)

/// One more event of this name.
struct quota_take {
  quota_kind kind = quota_kind::requests;
  std::string name;
};
struct quota_said {
  caf::timespan wait{0}; ///< 0: it counts. Else it may not happen for so long, and counts nothing.
};

/// QUOTAS: counts events for all nodes, those of the names that are this node's.
/// Owns: nothing; the windows are the control API's. Blocks: never. Calls: nobody.
/// Fails: with the control API's listener. Its successor begins with empty windows.
using quota_actor = caf::typed_actor<caf::result<quota_said>(quota_take)>;

TROUPE_FIELDS(quota_take, kind, name)
TROUPE_FIELDS(quota_said, wait)

} // namespace troupe

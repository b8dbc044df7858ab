#pragma once
#include "messages/supervisor.hpp"
#include "runtime/api/context.hpp"

#include <boost/json/object.hpp>

#include <memory>
#include <vector>

namespace troupe::api {

/// A supervisor's report, and those of the supervisors among its children.
struct tree_node {
  supervision_report report;
  bool answered = false;
  caf::strong_actor_ptr whom; ///< The supervisor.
  /// One per row of the report; null for a child that is no supervisor.
  std::vector<std::unique_ptr<tree_node>> below;
};

/// Asks the root supervisor, then level by level the supervisors below. Bounded: at most 8 levels,
/// `limit` rows a level (but 50 of each supervisor). A supervisor that does not answer in time
/// stays in the tree, not `answered`.
net::http_task<std::unique_ptr<tree_node>> walk(context& ctx, net::http_executor io,
                                                std::uint32_t limit);

/// The supervisor that has a child of this name; null: there is none. Bots have none of their own.
[[nodiscard]] caf::strong_actor_ptr supervisor_of(const tree_node& x, std::string_view child);

[[nodiscard]] boost::json::object to_json(const tree_node& x);

/// Counts the restarts that the tree reports.
void update(scrape& to, const tree_node& x);

} // namespace troupe::api

#include "runtime/api/supervision.hpp"
#include "runtime/api/json.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

namespace troupe::api {
namespace {

namespace json = boost::json;

constexpr int max_levels = 8;
constexpr std::uint32_t least_rows = 50;

struct visit {
  tree_node* node;
  question<supervision_report> asked;
};

using level = std::vector<visit>;

/// Asks everybody on the level below `above`.
level descend(context& ctx, net::http_executor io, const std::vector<tree_node*>& above,
              std::uint32_t limit) {
  std::vector<std::pair<tree_node*, caf::strong_actor_ptr>> found;
  for (auto* node : above) {
    for (auto& row : node->report.rows) {
      auto child = row.supervisor ? std::make_unique<tree_node>() : nullptr;
      if (child) {
        child->whom = row.supervisor;
        found.emplace_back(child.get(), row.supervisor);
      }
      node->below.push_back(std::move(child));
    }
  }
  level next;
  if (found.empty())
    return next;
  auto rows = std::max(least_rows, limit / static_cast<std::uint32_t>(found.size()));
  for (auto& [node, whom] : found)
    next.push_back({node, ask<supervision_report>(*ctx.p.system, io, whom, get_report{rows},
                                                  ctx.p.answer_timeout)});
  return next;
}

std::string path_of(const std::string& above, const std::string& name) {
  return above + '/' + name;
}

void update(scrape& to, const tree_node& x, const std::string& path) {
  if (x.report.strategy == "bots")
    return to.update_restarts("bot", path, x.report.restarts);
  for (std::size_t i = 0; i < x.report.rows.size(); ++i) {
    auto& row = x.report.rows[i];
    auto place = path_of(path, row.name);
    to.update_restarts(row.name, place, row.restarts);
    if (i < x.below.size() && x.below[i] && x.below[i]->answered)
      update(to, *x.below[i], place);
  }
}

} // namespace

net::http_task<std::unique_ptr<tree_node>> walk(context& ctx, net::http_executor io,
                                                std::uint32_t limit) {
  auto root = std::make_unique<tree_node>();
  root->whom =
    caf::actor_cast<caf::strong_actor_ptr>(ctx.p.root ? ctx.p.root() : supervisor_actor{});
  level now;
  now.push_back(
    {root.get(), ctx.report_of<supervision_report>(ctx.p.root, io, std::max(limit, least_rows))});
  for (int depth = 1; !now.empty(); ++depth) {
    std::vector<tree_node*> answered;
    for (auto& one : now) {
      co_await one.asked.ready();
      auto report = one.asked.take();
      if (!report)
        continue;
      one.node->report = std::move(*report);
      one.node->answered = true;
      answered.push_back(one.node);
    }
    if (depth == max_levels)
      break;
    now = descend(ctx, io, answered, limit);
  }
  co_return root;
}

caf::strong_actor_ptr supervisor_of(const tree_node& x, std::string_view child) {
  if (x.report.strategy == "bots")
    return nullptr;
  for (auto& row : x.report.rows)
    if (row.name == child)
      return x.whom;
  for (auto& one : x.below)
    if (one)
      if (auto found = supervisor_of(*one, child))
        return found;
  return nullptr;
}

json::object to_json(const tree_node& x) {
  if (!x.answered)
    return {{"error", "no answer"}};
  auto all = head_of(x.report);
  json::array children;
  for (std::size_t i = 0; i < x.report.rows.size(); ++i) {
    auto child = to_json(x.report.rows[i]);
    if (i < x.below.size() && x.below[i])
      child["supervisor"] = to_json(*x.below[i]);
    children.push_back(std::move(child));
  }
  all["children"] = std::move(children);
  return all;
}

void update(scrape& to, const tree_node& x) {
  if (x.answered)
    update(to, x, {});
}

} // namespace troupe::api

#include "runtime/api/ctl_line.hpp"

// Commands about the nodes of a cluster.
namespace troupe::api {
namespace {

namespace json = boost::json;

int cluster_status(const ctl_call& from) {
  auto answer = ask_node(from, "GET", "/v1/cluster");
  if (!shown_as_json(from, answer))
    print_cluster(from.to(), answer.as_object());
  return 0;
}

int cluster_drain(const ctl_call& from) {
  json::object body{{"node", from.words[0]}, {"draining", !from.has("undo")}};
  auto answer = ask_node(from, "POST", "/v1/cluster:drain", &body);
  if (!shown_as_json(from, answer))
    from.world.out << from.words[0]
                   << (from.has("undo")
                         ? " takes part again.\n"
                         : " gives its bots to the others; `cluster status` shows how "
                           "far it is. It stays so until `--undo`.\n");
  return 0;
}

constexpr command cluster_command_table[] = {
  {"cluster status", "", "", "the nodes and what each has of the bots", cluster_status},
  {"cluster drain", "NODE", "undo",
   "have a node give all its bots to the others, or take part again", cluster_drain},
};

} // namespace

std::span<const command> cluster_commands() {
  return cluster_command_table;
}

} // namespace troupe::api

#pragma once
#include "runtime/api/ctl.hpp"
#include "runtime/api/ctl_fetch.hpp"
#include "runtime/api/ctl_print.hpp"

#include <boost/json/object.hpp>

#include <map>
#include <stdexcept>
#include <vector>

/// What troupectl's commands work with. Private to its files.
namespace troupe::api {

/// Exit status 2.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct command;

/// A command line that was understood, and the world around it.
struct ctl_call {
  const ctl_world& world;
  const command* what = nullptr;
  std::vector<std::string> words;             ///< Behind those of the command.
  std::map<std::string, std::string> options; ///< "--name=value" as name → value.

  [[nodiscard]] bool has(const std::string& name) const { return options.count(name) > 0; }
  [[nodiscard]] std::string option(const std::string& name) const;
  /// @throws usage_error
  [[nodiscard]] std::int64_t number(const std::string& name) const;
  [[nodiscard]] bool json() const { return has("json"); }
  [[nodiscard]] printer to() const { return {world.out, world.colour}; }
};

/// One command of troupectl.
struct command {
  std::string_view words;     ///< "bot add"
  std::string_view arguments; ///< "ID METHOD [JSON]": those in brackets may be left out.
  std::string_view options;   ///< Names without dashes, separated by blanks; "=" behind those that
                              ///< take a value.
  std::string_view help;
  int (*run)(const ctl_call&) = nullptr;
};

[[nodiscard]] std::span<const command> node_commands();
[[nodiscard]] std::span<const command> cluster_commands();
[[nodiscard]] std::span<const command> top_commands();
[[nodiscard]] std::span<const command> bot_commands();
[[nodiscard]] std::span<const command> import_commands();
[[nodiscard]] std::span<const command> update_commands();
[[nodiscard]] std::span<const command> tenant_commands();
[[nodiscard]] std::span<const command> access_commands();
[[nodiscard]] std::span<const command> store_commands();
[[nodiscard]] std::span<const command> config_commands();
[[nodiscard]] std::span<const command> shell_commands();

/// All commands, in the order in which --help shows them.
[[nodiscard]] const std::vector<command>& commands();

/// Options that every command takes that asks a node.
inline constexpr std::string_view node_options = "url= ca-file= key-file= data-dir= json";

// -- asking a node --------------------------------------------------------------------------------

/// The node's answer to one request, whatever it is. @throws std::runtime_error when there is none
[[nodiscard]] fetched reach_node(const ctl_call& from, std::string_view method,
                                 const std::string& path, const boost::json::object* body = nullptr,
                                 const std::string& idempotency_key = {});

/// What went wrong on the node's side, in its own words if it has any.
[[nodiscard]] std::string reason(const fetched& answer);

/// The answer of a successful request; an empty one is null.
/// @throws std::runtime_error with the node's own words
[[nodiscard]] boost::json::value ask_node(const ctl_call& from, std::string_view method,
                                          const std::string& path,
                                          const boost::json::object* body = nullptr,
                                          const std::string& idempotency_key = {});

/// GETs an answer that has no end of its own and gives its pieces to `each` as they come; returns
/// when the node ends it. @throws like ask_node
void watch_node(const ctl_call& from, const std::string& path,
                std::function<void(std::string_view)> each);

/// troupectl bot tail. ctl_tail.cpp.
int tail_bot(const ctl_call& from);

/// Shows the answer as it is with --json. @returns whether it did
bool shown_as_json(const ctl_call& from, const boost::json::value& answer);

/// All rows of a paged list: `name` is the member that holds them.
[[nodiscard]] boost::json::array ask_pages(const ctl_call& from, const std::string& path,
                                           std::string_view name);

/// Of a table of rows: which member stands below which head, and whether it is a state's word.
struct column {
  const char* head;
  const char* member;
  bool state = false;
};

/// A list as a table, or with --json as an object whose member `name` it is.
int show_rows(const ctl_call& from, const boost::json::array& all, std::string_view name,
              std::initializer_list<column> columns);

/// A word that must be a positive number. @throws usage_error
[[nodiscard]] std::string id_word(const ctl_call& from, std::size_t i);

/// "/v1/bots/ID" with the first word as its id, then `rest`. @throws usage_error
[[nodiscard]] std::string bot_path(const ctl_call& from, std::string_view rest = {});

/// Text as it may stand in a path or a query.
[[nodiscard]] std::string encoded(std::string_view text);

} // namespace troupe::api

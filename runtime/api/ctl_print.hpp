#pragma once
#include <boost/json/object.hpp>

#include <ostream>
#include <string>
#include <vector>

/// Reports as tables for people.
namespace troupe::api {

/// Where tables go, and whether state words are coloured there.
struct printer {
  std::ostream& out;
  bool colour = false;
};

void print_health(const printer& to, const boost::json::object& report);
void print_tree(const printer& to, const boost::json::object& report);
void print_sessions(const printer& to, const boost::json::object& report);
void print_budgets(const printer& to, const boost::json::object& report);
void print_cluster(const printer& to, const boost::json::object& report);

/// A cell, and whether it is a state whose word is coloured.
struct cell {
  std::string text;
  bool state = false;
};

/// Prints columns as wide as their widest cell. A head that begins with '#' marks a column of
/// numbers, aligned on the right.
void print_table(const printer& to, const std::vector<std::string>& heads,
                 const std::vector<std::vector<cell>>& rows);

/// A member as text: numbers and words as they are; "-" for null and what is not there.
[[nodiscard]] std::string shown_member(const boost::json::object& from, std::string_view name);

/// One line for each member of an object; those of objects in it as "limits.rps".
void print_members(const printer& to, const boost::json::object& from);

/// "1.5 s", "12 ms", "3 min"; "never" for null.
[[nodiscard]] std::string shown_seconds(const boost::json::value& seconds);

} // namespace troupe::api

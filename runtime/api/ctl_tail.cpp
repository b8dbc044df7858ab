#include "runtime/api/ctl_line.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

// troupectl bot tail.
namespace troupe::api {
namespace {

namespace json = boost::json;

std::string event_text(const json::object& from, std::string_view name) {
  auto* found = from.if_contains(json::string_view{name.data(), name.size()});
  if (found == nullptr || found->is_null())
    return {};
  return found->is_string() ? std::string{found->get_string().c_str()} : json::serialize(*found);
}

/// One event's lines, without the empty one that ends it.
void show(const ctl_call& from, std::string_view lines) {
  std::string_view type;
  std::string_view data;
  while (!lines.empty()) {
    auto end = std::min(lines.find('\n'), lines.size());
    auto line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.starts_with("event: "))
      type = line.substr(7);
    else if (line.starts_with("data: "))
      data = line.substr(6);
  }
  if (data.empty()) // A comment, that the line is alive.
    return;
  boost::system::error_code failed;
  auto value = json::parse(json::string_view{data.data(), data.size()}, failed);
  if (from.json() || failed || !value.is_object())
    from.world.out << data << '\n';
  else if (type == "missed" && event_text(value.get_object(), "events").empty())
    from.world.out << "(the bot's node did not answer: events may have been missed)\n";
  else if (type == "missed")
    from.world.out << "(" << event_text(value.get_object(), "events") << " events were missed)\n";
  else
    from.world.out << event_text(value.get_object(), "at") << "  " << type << "  "
                   << event_text(value.get_object(), "data") << '\n';
  from.world.out.flush();
}

} // namespace

int tail_bot(const ctl_call& from) {
  std::string rest;
  watch_node(from, bot_path(from, "/events"), [&](std::string_view piece) {
    rest += piece;
    for (auto end = rest.find("\n\n"); end != rest.npos; end = rest.find("\n\n")) {
      show(from, std::string_view{rest}.substr(0, end));
      rest.erase(0, end + 2);
    }
  });
  return 0;
}

} // namespace troupe::api

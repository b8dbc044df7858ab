#include "runtime/api/ctl_line.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fstream>
#include <sstream>

// How a bot's updates come and go.
namespace troupe::api {
namespace {

namespace json = boost::json;

/// The JSON object of an option: its text, or with "@FILE" what the file holds ("@-": standard
/// input), so that secrets need not stand in a command line.
json::object object_in(const ctl_call& from, const std::string& option) {
  auto text = from.option(option);
  if (text == "@-") {
    text.assign(std::istreambuf_iterator<char>{from.world.in}, {});
  } else if (text.starts_with('@')) {
    std::ifstream file{text.substr(1)};
    if (!file)
      throw usage_error{"--" + option + ": the file cannot be read"};
    text.assign(std::istreambuf_iterator<char>{file}, {});
  }
  boost::system::error_code failed;
  auto value = json::parse(text, failed);
  if (failed || !value.is_object())
    throw usage_error{"--" + option + " must be one JSON object, or @FILE with one"};
  return std::move(value.get_object());
}

int change(const ctl_call& from) {
  json::object body;
  for (auto name : {"updates", "delivery"})
    if (from.has(name))
      body[name] = object_in(from, name);
  if (from.has("name"))
    body["name"] = from.option("name");
  json::object limits;
  for (auto name : {"rps", "concurrent"})
    if (from.has(name))
      limits[name] = from.number(name);
  if (!limits.empty())
    body["limits"] = std::move(limits);
  if (body.empty())
    throw usage_error{"nothing to change: --name, --rps, --concurrent, --updates, --delivery"};
  auto answer = ask_node(from, "PATCH", bot_path(from), &body);
  if (!shown_as_json(from, answer))
    from.world.out << "bot " << from.words[0] << " is changed.\n";
  return 0;
}

int show_updates(const ctl_call& from) {
  auto answer = ask_node(from, "GET", bot_path(from, "/updates"));
  if (!shown_as_json(from, answer))
    print_members(from.to(), answer.as_object());
  return 0;
}

int list_dead(const ctl_call& from) {
  auto letters = ask_pages(from, bot_path(from, "/dead-letters"), "dead_letters");
  if (shown_as_json(from, json::object{{"dead_letters", letters}}))
    return 0;
  std::vector<std::vector<cell>> rows;
  for (auto& value : letters) {
    auto& one = value.as_object();
    rows.push_back({{shown_member(one, "id")},
                    {shown_member(one, "update_id")},
                    {shown_member(one, "kind")},
                    {shown_member(one, "received_at")},
                    {shown_member(one, "died_at")},
                    {shown_member(one, "attempts")},
                    {shown_member(one, "reason")}});
  }
  print_table(from.to(), {"#id", "#update", "kind", "received", "died", "#attempts", "reason"},
              rows);
  return 0;
}

int replay_dead(const ctl_call& from) {
  json::object body;
  json::array ids;
  for (std::size_t i = 1; i < from.words.size(); ++i)
    ids.push_back(std::stoll(id_word(from, i)));
  if (ids.empty() != from.has("all"))
    throw usage_error{"name the dead letters, or say --all"};
  if (from.has("all"))
    body["all"] = true;
  else
    body["ids"] = std::move(ids);
  auto answer = ask_node(from, "POST", bot_path(from, "/dead-letters:replay"), &body);
  if (shown_as_json(from, answer))
    return 0;
  auto& said = answer.as_object();
  from.world.out << shown_member(said, "replayed") << " wait for delivery again.\n";
  for (auto& id : said.at("missing").as_array())
    from.world.out << "There is no dead letter " << json::serialize(id) << ".\n";
  return 0;
}

constexpr command update_command_table[] = {
  {"bot change", "ID", "name= rps= concurrent= updates= delivery=",
   "change a bot; --updates and --delivery: one JSON object, or @FILE", change},
  {"bot updates", "ID", "", "updates that wait for delivery", show_updates},
  {"bot tail", "ID", "", "what happens to a bot, as it happens", tail_bot},
  {"dead-letters list", "ID", "", "updates that could not be delivered", list_dead},
  {"dead-letters replay", "ID [LETTER...]", "all", "deliver them again", replay_dead},
};

} // namespace

std::span<const command> update_commands() {
  return update_command_table;
}

} // namespace troupe::api

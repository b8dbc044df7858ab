#include "runtime/api/ctl_line.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <fstream>

namespace troupe::api {
namespace {

namespace json = boost::json;

// -- what is shown ---------------------------------------------------------------------------------

void print_bots(const ctl_call& from, const json::array& bots) {
  std::vector<std::vector<cell>> rows;
  for (auto& value : bots) {
    auto& one = value.as_object();
    rows.push_back({{shown_member(one, "id")},
                    {shown_member(one, "username")},
                    {shown_member(one, "name")},
                    {shown_member(one, "tenant")},
                    {shown_member(one, "phase"), true},
                    {shown_member(one, "health"), true},
                    {shown_member(one, "verified")},
                    {shown_member(one, "created_at")}});
  }
  print_table(from.to(),
              {"#id", "username", "name", "#tenant", "phase", "health", "verified", "created"},
              rows);
}

int show_members(const ctl_call& from, const json::value& answer) {
  if (!shown_as_json(from, answer))
    print_members(from.to(), answer.as_object());
  return 0;
}

// -- commands --------------------------------------------------------------------------------------

/// The token of `bot add` and `bot rotate`: a word, a file ("-": standard input) or the environment.
std::string token_of(const ctl_call& from, std::size_t word) {
  if (from.words.size() > word)
    return from.words[word];
  auto file = from.option("token-file");
  std::string token;
  if (file == "-")
    std::getline(from.world.in, token);
  else if (!file.empty())
    std::getline(std::ifstream{file} >> std::ws, token);
  else
    token = from.world.variable("TROUPE_BOT_TOKEN");
  while (!token.empty() && (token.back() == '\r' || token.back() == ' '))
    token.pop_back();
  if (token.empty())
    throw usage_error{"a token is missing: --token-file=FILE (- for standard input), the variable "
                      "TROUPE_BOT_TOKEN, or a word (which others on this machine may see)"};
  return token;
}

int add(const ctl_call& from) {
  json::object body{{"token", token_of(from, 0)}};
  if (from.has("name"))
    body["name"] = from.option("name");
  if (from.has("tenant"))
    body["tenant"] = from.number("tenant");
  if (from.has("trusted"))
    body["trusted"] = true;
  json::object limits;
  for (auto name : {"rps", "concurrent"})
    if (from.has(name))
      limits[name] = from.number(name);
  if (!limits.empty())
    body["limits"] = std::move(limits);
  auto answer = ask_node(from, "POST", "/v1/bots", &body);
  if (shown_as_json(from, answer))
    return 0;
  auto& bot = answer.as_object();
  auto phase = shown_member(bot, "phase");
  from.world.out << "bot " << shown_member(bot, "id") << " (@" << shown_member(bot, "username")
                 << ") is registered and " << phase << ".\n";
  if (phase == "pending")
    from.world.out << "Prove that it is yours: troupectl bot verify " << shown_member(bot, "id")
                   << '\n';
  return 0;
}

int list(const ctl_call& from) {
  std::string path = "/v1/bots";
  char mark = '?';
  for (auto name : {"status", "tenant"})
    if (from.has(name)) {
      path += mark + std::string{name} + '=' + encoded(from.option(name));
      mark = '&';
    }
  auto bots = ask_pages(from, path, "bots");
  if (!shown_as_json(from, json::object{{"bots", bots}}))
    print_bots(from, bots);
  return 0;
}

int show(const ctl_call& from) {
  return show_members(from, ask_node(from, "GET", bot_path(from)));
}

int order(const ctl_call& from, const char* verb, const json::object& body = {}) {
  auto answer = ask_node(from, "POST", bot_path(from, verb), body.empty() ? nullptr : &body);
  if (shown_as_json(from, answer))
    return 0;
  auto& bot = answer.as_object();
  from.world.out << "bot " << shown_member(bot, "id") << " is " << shown_member(bot, "phase")
                 << ".\n";
  return 0;
}

int activate(const ctl_call& from) {
  json::object body;
  if (from.has("trusted"))
    body["trusted"] = true;
  return order(from, ":activate", body);
}

int suspend(const ctl_call& from) {
  json::object body;
  if (from.has("reason"))
    body["reason"] = from.option("reason");
  return order(from, ":suspend", body);
}

int rotate(const ctl_call& from) {
  return order(from, ":rotateToken", json::object{{"token", token_of(from, 1)}});
}

int remove(const ctl_call& from) {
  auto answer = ask_node(from, "DELETE", bot_path(from));
  if (!shown_as_json(from, answer))
    from.world.out << "bot " << from.words[0] << " and all that belonged to it are removed.\n";
  return 0;
}

int verify(const ctl_call& from) {
  if (from.has("status"))
    return show_members(from, ask_node(from, "GET", bot_path(from, "/verification")));
  auto answer = ask_node(from, "POST", bot_path(from, "/verification"));
  if (shown_as_json(from, answer))
    return 0;
  auto& made = answer.as_object();
  from.world.out << "Send this to the bot before " << shown_member(made, "expires_at") << ":\n  "
                 << shown_member(made, "send") << '\n';
  if (made.contains("link"))
    from.world.out << "or open " << shown_member(made, "link") << '\n';
  return 0;
}

/// A body from "name=value" words, or one word of JSON.
json::object body_of(const ctl_call& from) {
  json::object body;
  for (std::size_t i = 2; i < from.words.size(); ++i) {
    auto& word = from.words[i];
    boost::system::error_code failed;
    if (i == 2 && word.starts_with('{')) {
      auto value = json::parse(word, failed);
      if (failed || !value.is_object() || from.words.size() > 3)
        throw usage_error{"the body must be one JSON object, or words of the form name=value"};
      return std::move(value.get_object());
    }
    auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      throw usage_error{"the body must be one JSON object, or words of the form name=value"};
    auto text = word.substr(equals + 1);
    auto value = json::parse(text, failed);
    body[word.substr(0, equals)] = failed ? json::value(text) : value;
  }
  return body;
}

int call(const ctl_call& from) {
  auto body = body_of(from);
  auto path = bot_path(from, "/methods/" + encoded(from.words[1]));
  auto answer = ask_node(from, "POST", path, &body, from.option("idempotency-key"));
  from.world.out << json::serialize(answer) << '\n';
  return 0;
}

int analytics(const ctl_call& from) {
  auto path = bot_path(from, "/analytics");
  if (from.has("days"))
    path += "?days=" + std::to_string(from.number("days"));
  auto answer = ask_node(from, "GET", path);
  if (shown_as_json(from, answer))
    return 0;
  auto& all = answer.as_object();
  from.world.out << "requests " << shown_member(all, "requests") << ", failed "
                 << shown_member(all, "failures") << ", updates " << shown_member(all, "updates")
                 << ", in " << shown_member(all, "days") << " days\n\n";
  std::vector<std::vector<cell>> rows;
  for (auto& value : all.at("requests_per_day").as_array()) {
    auto& day = value.as_object();
    rows.push_back({{shown_member(day, "date")},
                    {shown_member(day, "requests")},
                    {shown_member(day, "failures")},
                    {shown_member(day, "updates")},
                    {shown_seconds(day.at("average_response_seconds"))}});
  }
  print_table(from.to(), {"day", "#requests", "#failed", "#updates", "#average response"}, rows);
  return 0;
}

constexpr command bot_command_table[] = {
  {"bot add", "[TOKEN]", "token-file= name= tenant= rps= concurrent= trusted", "register a bot",
   add},
  {"bot list", "", "status= tenant= limit=", "the bots", list},
  {"bot show", "ID", "", "one bot", show},
  {"bot verify", "ID", "status", "a code to prove that the bot is yours; --status: how far that is",
   verify},
  {"bot activate", "ID", "trusted", "let a verified bot take calls", activate},
  {"bot suspend", "ID", "reason=", "stop a bot from taking calls", suspend},
  {"bot resume", "ID", "", "let a suspended bot take calls again",
   [](const ctl_call& from) { return order(from, ":resume"); }},
  {"bot restart", "ID", "", "start a bot anew, out of its quarantine",
   [](const ctl_call& from) { return order(from, ":restart"); }},
  {"bot rotate", "ID [TOKEN]", "token-file=", "replace a bot's token", rotate},
  {"bot remove", "ID", "", "remove a bot and all that belongs to it", remove},
  {"bot call", "ID METHOD [BODY...]", "idempotency-key=",
   "call the Bot API; BODY: one JSON object, or name=value words", call},
  {"bot health", "ID", "", "how well a bot does",
   [](const ctl_call& from) {
     return show_members(from, ask_node(from, "GET", bot_path(from, "/health")));
   }},
  {"bot signing-key", "ID", "", "what signs the updates that are posted to the bot's URL",
   [](const ctl_call& from) {
     return show_members(from, ask_node(from, "GET", bot_path(from, "/signing-key")));
   }},
  {"bot analytics", "ID", "days=", "what a bot did on the last days", analytics},
};

} // namespace

std::span<const command> bot_commands() {
  return bot_command_table;
}

} // namespace troupe::api

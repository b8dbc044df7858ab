// Messages without files: text, places, polls and their kind.
#include "tests/sandbox/call.hpp"
#include "tests/sandbox/text.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <random>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

constexpr std::size_t longest_text = 4096; // UTF-16 units, as documented.

std::uint64_t random_number() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

void send_message(const call& c) {
  auto text = c.args.text("text");
  if (!is_utf8(text))
    return c.bad_request("strings must be encoded in UTF-8");
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return c.bad_request("message text is empty");
  if (text.size() > longest_text && utf16_length(text) > longest_text)
    return c.bad_request("message is too long");
  auto mode = c.args.text("parse_mode");
  if (auto given = c.args.text("entities"); !given.empty())
    return send(c, text_members("text", "entities", text, given));
  if (mode.empty())
    return send(c, text_members("text", "entities", text, find_entities(text)));
  auto parsed = parse_markup(text, mode);
  if (!parsed.error.empty())
    return c.bad_request("can't parse entities: " + parsed.error);
  send(c, text_members("text", "entities", parsed.text, parsed.entities));
}

// A member of the answer that copies a parameter.
struct copied {
  std::string_view name;
  enum : std::uint8_t { text, number, raw } as;
  bool required = false;
};

// `{"NAME":value,…}` of the parameters that are there. False: `c` has been answered.
bool copy_members(const call& c, std::span<const copied> table, std::string& out) {
  out += '{';
  for (auto& x : table) {
    auto value = c.args.find(x.name);
    if (!value || value->empty()) {
      if (!x.required)
        continue;
      c.bad_request("parameter \"" + std::string{x.name} + "\" is required");
      return false;
    }
    if (out.back() != '{')
      out += ',';
    out += '"';
    out += x.name;
    out += "\":";
    if (x.as == copied::text) {
      telegram::append_json_string(out, *value);
    } else {
      boost::system::error_code error;
      auto parsed = json::parse({value->data(), value->size()}, error);
      if (error || (x.as == copied::number && !parsed.is_number())) {
        c.bad_request("can't parse parameter \"" + std::string{x.name} + '"');
        return false;
      }
      out += *value;
    }
  }
  out += '}';
  return true;
}

template <std::size_t N>
void send_copied(const call& c, std::string_view member, const copied (&table)[N]) {
  std::string content = ",\"" + std::string{member} + "\":";
  if (copy_members(c, table, content))
    send(c, std::move(content));
}

constexpr copied location_members[]{{"latitude", copied::number, true},
                                    {"longitude", copied::number, true},
                                    {"horizontal_accuracy", copied::number},
                                    {"live_period", copied::number},
                                    {"heading", copied::number}};

void send_location(const call& c) {
  send_copied(c, "location", location_members);
}

void send_venue(const call& c) {
  static constexpr copied members[]{{"title", copied::text, true}, {"address", copied::text, true}};
  std::string content = R"(,"venue":)";
  if (!copy_members(c, members, content))
    return;
  content.pop_back();
  content += R"(,"location":)";
  if (copy_members(c, location_members, content))
    send(c, content + '}');
}

void send_contact(const call& c) {
  static constexpr copied members[]{{"phone_number", copied::text, true},
                                    {"first_name", copied::text, true},
                                    {"last_name", copied::text},
                                    {"vcard", copied::text}};
  send_copied(c, "contact", members);
}

void send_dice(const call& c) {
  auto emoji = c.args.text("emoji");
  if (emoji.empty())
    emoji = "🎲";
  auto sides = emoji == "🎰" ? 64u : emoji == "🏀" || emoji == "⚽" ? 5u : 6u;
  std::string content = R"(,"dice":{"emoji":)";
  telegram::append_json_string(content, emoji);
  send(c, content + R"(,"value":)" + std::to_string(1 + random_number() % sides) + '}');
}

void send_invoice(const call& c) {
  static constexpr copied members[]{{"title", copied::text, true},
                                    {"description", copied::text, true},
                                    {"start_parameter", copied::text},
                                    {"currency", copied::text, true}};
  std::string content = R"(,"invoice":)";
  if (!copy_members(c, members, content))
    return;
  content.pop_back();
  std::int64_t total = 0;
  boost::system::error_code error;
  auto text = c.args.text("prices");
  auto prices = json::parse({text.data(), text.size()}, error);
  if (error || !prices.is_array() || prices.get_array().empty())
    return c.bad_request("can't parse prices JSON object");
  for (auto& x : prices.get_array())
    if (auto* amount = x.is_object() ? x.get_object().if_contains("amount") : nullptr)
      total += amount->is_int64() ? amount->get_int64() : 0;
  send(c, content + R"(,"total_amount":)" + std::to_string(total) + '}');
}

void send_game(const call& c) {
  auto name = c.args.text("game_short_name");
  if (name.empty())
    return c.bad_request("parameter \"game_short_name\" is required");
  std::string content = R"(,"game":{"title":)";
  telegram::append_json_string(content, name);
  send(c, content + R"(,"description":"","photo":[]})");
}

void send_checklist(const call& c) {
  static constexpr copied members[]{{"checklist", copied::raw, true}};
  std::string object;
  if (copy_members(c, members, object)) // {"checklist":…}
    send(c, "," + object.substr(1, object.size() - 2));
}

void send_rich_message(const call& c) {
  static constexpr copied members[]{{"rich_message", copied::raw, true}};
  std::string object;
  if (copy_members(c, members, object))
    send(c, "," + object.substr(1, object.size() - 2));
}

// Options come as strings or as objects with a text.
bool poll_options(std::string_view source, std::string& out) {
  boost::system::error_code error;
  auto parsed = json::parse({source.data(), source.size()}, error);
  if (error || !parsed.is_array() || parsed.get_array().empty() || parsed.get_array().size() > 12)
    return false;
  out += '[';
  for (auto& x : parsed.get_array()) {
    auto* text = x.is_string() ? &x : x.is_object() ? x.get_object().if_contains("text") : nullptr;
    if (text == nullptr || !text->is_string())
      return false;
    if (out.back() != '[')
      out += ',';
    out += R"({"persistent_id":")" + std::to_string(random_number()) + R"(","text":)";
    telegram::append_json_string(out, {text->get_string().data(), text->get_string().size()});
    out += R"(,"voter_count":0})";
  }
  out += ']';
  return true;
}

void send_poll(const call& c) {
  auto question = c.args.text("question");
  if (question.empty())
    return c.bad_request("poll question must be non-empty");
  std::string content =
    R"(,"poll":{"id":")" + std::to_string(random_number() >> 1) + R"(","question":)";
  telegram::append_json_string(content, question);
  content += R"(,"options":)";
  if (!poll_options(c.args.text("options"), content))
    return c.bad_request("poll must have 1-12 answer options");
  auto quiz = c.args.text("type") == "quiz";
  content += R"(,"total_voter_count":0,"is_closed":false,"is_anonymous":)";
  content += c.args.find("is_anonymous") && !c.args.flag("is_anonymous") ? "false" : "true";
  content += quiz ? R"(,"type":"quiz")" : R"(,"type":"regular")";
  content += R"(,"allows_multiple_answers":)";
  content += c.args.flag("allows_multiple_answers") ? "true" : "false";
  send(c, content + '}');
}

void send_chat_action(const call& c) {
  if (c.args.text("action").empty())
    return c.bad_request("wrong parameter action in request");
  if (writable_chat(c))
    c.ok("true");
}

void send_draft(const call& c) {
  if (c.args.integer("draft_id").value_or(0) == 0)
    return c.bad_request("draft_id must be non-zero");
  if (writable_chat(c))
    c.ok("true");
}

constexpr method_entry send_table[]{
  {"sendMessage", send_message},        {"sendRichMessage", send_rich_message},
  {"sendLocation", send_location},      {"sendVenue", send_venue},
  {"sendContact", send_contact},        {"sendDice", send_dice},
  {"sendInvoice", send_invoice},        {"sendGame", send_game},
  {"sendChecklist", send_checklist},    {"sendPoll", send_poll},
  {"sendChatAction", send_chat_action}, {"sendMessageDraft", send_draft},
  {"sendRichMessageDraft", send_draft},
};

} // namespace

std::span<const method_entry> send_methods() {
  return send_table;
}

} // namespace troupe::sandbox

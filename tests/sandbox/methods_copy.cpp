// Copies and forwards.
#include "tests/sandbox/media.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

// The source messages that are there. Copied out: two chats are never locked at once.
std::vector<message> take_sources(const call& c, const std::vector<std::int64_t>& ids) {
  auto from = c.w.chat_of(*c.b, c.args.text("from_chat_id"));
  std::vector<message> result;
  if (!from)
    return result;
  std::lock_guard lock{from->mutex};
  for (auto id : ids)
    if (auto* known = from->find(id))
      result.push_back(*known);
  return result;
}

std::string origin_of(const message& x) {
  auto date = std::to_string(x.date);
  constexpr std::string_view user = R"(,"from":)";
  if (x.author_member.starts_with(user))
    return R"(,"forward_origin":{"type":"user","date":)" + date + R"(,"sender_user":)"
           + x.author_member.substr(user.size()) + '}';
  return R"(,"forward_origin":{"type":"channel","date":)" + date + R"(,"chat":)"
         + x.author_member.substr(x.author_member.find('{')) + R"(,"message_id":)"
         + std::to_string(x.id) + '}';
}

message& put(const call& c, chat& where, message x, bool forward) {
  x.extra = forward ? origin_of(x) : std::string{};
  x.date = c.w.unix_now();
  x.edit_date = 0;
  x.from_bot = true;
  x.author = c.b->id;
  x.author_member =
    where.type == chat_type::channel ? R"(,"sender_chat":)" + where.json : c.b->author_member;
  return where.append(std::move(x));
}

void copy_one(const call& c, bool forward) {
  auto where = writable_chat(c);
  if (!where)
    return;
  auto sources = take_sources(c, {c.args.integer("message_id").value_or(0)});
  if (sources.empty())
    return c.bad_request(forward ? "message to forward not found" : "message to copy not found");
  auto& x = sources.front();
  if (!forward) {
    x.markup.clear();
    if (!read_markup(c, x.markup))
      return;
    if (c.args.find("caption")) {
      x.caption.clear();
      if (!read_caption(c, c.args.text("caption"), c.args.text("parse_mode"),
                        c.args.text("caption_entities"), x.caption))
        return;
    }
  }
  auto& out = c.begin();
  std::lock_guard lock{where->mutex};
  auto& added = put(c, *where, std::move(x), forward);
  if (forward)
    where->render(added, out);
  else
    out += R"({"message_id":)" + std::to_string(added.id) + '}';
  c.end();
}

void copy_many(const call& c, bool forward) {
  auto where = writable_chat(c);
  if (!where)
    return;
  boost::system::error_code error;
  auto text = c.args.text("message_ids");
  auto parsed = json::parse({text.data(), text.size()}, error);
  if (error || !parsed.is_array() || parsed.get_array().empty() || parsed.get_array().size() > 100)
    return c.bad_request("message identifiers are not specified");
  std::vector<std::int64_t> ids;
  for (auto& x : parsed.get_array())
    if (x.is_int64())
      ids.push_back(x.get_int64());
  if (!std::is_sorted(ids.begin(), ids.end(), std::less_equal<>{}))
    return c.bad_request("message identifiers must be in a strictly increasing order");
  auto sources = take_sources(c, ids);
  if (sources.empty())
    return c.bad_request(forward ? "there are no messages to forward"
                                 : "there are no messages to copy");
  auto& out = c.begin();
  out += '[';
  std::lock_guard lock{where->mutex};
  for (auto& x : sources) {
    if (!forward)
      x.markup.clear();
    if (c.args.flag("remove_caption"))
      x.caption.clear();
    auto& added = put(c, *where, std::move(x), forward);
    if (out.back() != '[')
      out += ',';
    out += R"({"message_id":)" + std::to_string(added.id) + '}';
  }
  out += ']';
  c.end();
}

constexpr method_entry copy_table[]{
  {"copyMessage", [](const call& c) { copy_one(c, false); }},
  {"forwardMessage", [](const call& c) { copy_one(c, true); }},
  {"copyMessages", [](const call& c) { copy_many(c, false); }},
  {"forwardMessages", [](const call& c) { copy_many(c, true); }},
};

} // namespace

std::span<const method_entry> copy_methods() {
  return copy_table;
}

} // namespace troupe::sandbox

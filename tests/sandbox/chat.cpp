#include "tests/sandbox/chat.hpp"

#include "runtime/telegram/errors.hpp"

#include <array>
#include <charconv>

namespace troupe::sandbox {

namespace {

void append_number(std::string& out, std::int64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

} // namespace

std::string_view to_string(chat_type x) noexcept {
  static constexpr std::array<std::string_view, 4> names{"private", "group", "supergroup",
                                                         "channel"};
  return names[static_cast<std::size_t>(x)];
}

void chat::rename(std::string_view new_title, std::string_view new_username) {
  title = new_title;
  username = new_username;
  json = R"({"id":)";
  append_number(json, id);
  json += type == chat_type::personal ? R"(,"first_name":)" : R"(,"title":)";
  telegram::append_json_string(json, title);
  if (!username.empty()) {
    json += R"(,"username":)";
    telegram::append_json_string(json, username);
  }
  json += R"(,"type":")";
  json += to_string(type);
  json += "\"}";
}

message& chat::append(message x) {
  x.id = next_id++;
  auto at = slot(x.id);
  if (at < log.size())
    return log[at] = std::move(x);
  return log.emplace_back(std::move(x));
}

message* chat::find(std::int64_t message_id) {
  if (message_id < 1 || message_id >= next_id)
    return nullptr;
  auto at = slot(message_id);
  if (at >= log.size() || log[at].id != message_id || log[at].deleted)
    return nullptr;
  return &log[at];
}

void chat::render(const message& x, std::string& out) const {
  out += R"({"message_id":)";
  append_number(out, x.id);
  out += x.author_member;
  out += R"(,"chat":)";
  out += json;
  out += R"(,"date":)";
  append_number(out, x.date);
  if (x.edit_date != 0) {
    out += R"(,"edit_date":)";
    append_number(out, x.edit_date);
  }
  out += x.extra;
  out += x.content;
  out += x.caption;
  out += x.markup;
  out += '}';
}

} // namespace troupe::sandbox

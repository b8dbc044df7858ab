#include "runtime/updates/receive.hpp"

#include "runtime/telegram/update.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::updates {

std::optional<received_update> receive(std::string_view json, std::int64_t now) {
  auto blank = [](char x) { return x == ' ' || x == '\n' || x == '\r' || x == '\t'; };
  // The same update is the same text, whichever way it came.
  while (!json.empty() && blank(json.front()))
    json.remove_prefix(1);
  while (!json.empty() && blank(json.back()))
    json.remove_suffix(1);
  auto facts = telegram::read_update(json);
  if (!facts)
    return std::nullopt;
  received_update result;
  auto& x = result.update;
  x.id = facts->id;
  x.kind = facts->kind;
  x.urgent = facts->urgent;
  x.key = {facts->queue_kind, facts->queue_id};
  x.received = now;
  x.expires = now + std::chrono::milliseconds{facts->lifetime}.count();
  x.body = shared_text{std::string{json}};
  result.sender = facts->sender;
  result.chat = facts->chat;
  if (!facts->text.empty())
    result.code = telegram::start_code(*facts).value_or("");
  return result;
}

namespace {

/// How many bytes one character of UTF-8 (RFC 3629) takes; 0: none begins there.
std::size_t character_at(std::string_view text) noexcept {
  auto at = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return at(i) >= low && at(i) <= high;
  };
  auto first = at(0);
  if (first < 0x80)
    return first >= ' ' || first == '\n' || first == '\r' || first == '\t' ? 1 : 0;
  if (first >= 0xC2 && first <= 0xDF)
    return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF)
    return follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  if (first >= 0xF0 && first <= 0xF4)
    return follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && follows(2)
               && follows(3)
             ? 4
             : 0;
  return 0;
}

/// The number behind "update_id", which is an update's first key; 0: there is none.
std::int64_t id_in(std::string_view json) noexcept {
  auto skip = [&json](std::string_view what) {
    json.remove_prefix(std::min(json.find_first_not_of(" \n\r\t"), json.size()));
    bool is_there = json.starts_with(what);
    json.remove_prefix(is_there ? what.size() : 0);
    return is_there;
  };
  std::int64_t id = 0;
  if (!skip("{") || !skip("\"update_id\"") || !skip(":") || !skip(""))
    return 0;
  auto [end, err] = std::from_chars(json.data(), json.data() + json.size(), id);
  return err == std::errc{} && id > 0 ? id : 0;
}

} // namespace

std::string repaired_text(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    auto n = character_at(text);
    n == 0 ? result.append("\xEF\xBF\xBD") : result.append(text.substr(0, n));
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return result;
}

rescued_update rescue(std::string_view json, std::int64_t now) {
  auto text = repaired_text(json);
  if (auto one = receive(text, now)) {
    auto id = one->update.id;
    return {std::move(*one), true, id};
  }
  rescued_update result;
  result.id = id_in(text);
  auto& x = result.what.update;
  x.id = unreadable_update;
  x.received = now;
  x.expires = now + std::chrono::milliseconds{std::chrono::hours{24}}.count();
  x.body = shared_text{std::move(text)};
  return result;
}

} // namespace troupe::updates

#include "runtime/updates/receive.hpp"

#include "runtime/telegram/update.hpp"

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

} // namespace troupe::updates

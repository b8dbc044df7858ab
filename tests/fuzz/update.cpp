// Updates, and getUpdates' answers: what the reader that builds no document finds is what stands in
// the document that a JSON library builds.
#include "runtime/telegram/update.hpp"
#include "runtime/updates/receive.hpp"
#include "tests/fuzz/check.hpp"

#include <boost/json.hpp>

#include <charconv>
#include <set>
#include <vector>

using namespace troupe;
namespace json = boost::json;

namespace {

std::optional<json::value> document(std::string_view text, boost::system::error_code& ec) {
  json::parse_options options;
  options.max_depth = 100;
  auto result = json::parse(json::string_view{text.data(), text.size()}, ec, {}, options);
  return ec ? std::nullopt : std::optional{std::move(result)};
}

std::optional<json::value> document(std::string_view text) {
  boost::system::error_code ec;
  return document(text, ec);
}

/// What the library refuses although it is well-formed (RFC 8259): half surrogate pairs, and numbers
/// with exponents that it cannot hold.
bool is_refused_alone(const boost::system::error_code& ec, std::string_view text) {
  return ec == json::error::exponent_overflow || text.find("\\ud") != std::string_view::npos
         || text.find("\\uD") != std::string_view::npos;
}

/// Of two members of one name the two readers take different ones; Telegram writes no such text, nor
/// escapes in names.
bool has_odd_names(std::string_view text) {
  // Names before a colon, as they were written, per depth.
  std::vector<std::set<std::string_view>> names(1);
  std::string_view last;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' || text[i] == '[') {
      names.emplace_back();
    } else if (text[i] == '}' || text[i] == ']') {
      if (names.size() > 1)
        names.pop_back();
    } else if (text[i] == ':') {
      if (!names.back().insert(last).second || last.find('\\') != std::string_view::npos)
        return true;
    } else if (text[i] == '"') {
      auto begin = ++i;
      while (i < text.size() && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
      i = std::min(i, text.size());
      last = text.substr(begin, i - begin);
    }
  }
  return false;
}

std::optional<std::int64_t> whole(const json::value* x) {
  if (x == nullptr)
    return std::nullopt;
  if (x->is_int64())
    return x->get_int64();
  if (!x->is_string())
    return std::nullopt;
  const auto& text = x->get_string();
  std::int64_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  return ec == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

const json::value* at(const json::value* from, std::string_view path) {
  while (from != nullptr && !path.empty()) {
    auto dot = std::min(path.find('.'), path.size());
    auto* object = from->if_object();
    from = object == nullptr ? nullptr : object->if_contains(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return from;
}

void check_facts(const telegram::update_facts& x, const json::object& all) {
  HOLDS(x.id == all.at("update_id").as_int64() && x.id >= 0);
  HOLDS(x.lifetime.count() > 0);
  if (x.kind == telegram::unknown_update_kind) {
    HOLDS(x.queue_kind == 0 || x.queue_kind == telegram::unknown_update_kind);
    return;
  }
  const auto& kind = telegram::update_kinds()[x.kind];
  HOLDS(kind.name == x.kind_name && x.urgent == kind.urgent());
  auto* inside = all.if_contains(x.kind_name);
  HOLDS(inside != nullptr && inside->is_object());
  // Ids that are no whole numbers are ordered by a hash of theirs.
  auto* key = at(inside, kind.key_path);
  if (auto id = whole(key))
    HOLDS(x.queue_id == *id);
  else if (key == nullptr)
    HOLDS(x.queue_id == 0);
  auto* chat = at(inside, "chat.id");
  if (auto id = whole(chat))
    HOLDS(x.chat == *id);
  else if (chat == nullptr)
    if (auto outer = whole(at(inside, "message.chat.id")))
      HOLDS(x.chat == *outer);
  if (auto from = whole(at(inside, "from.id")))
    HOLDS(x.sender == *from);
  auto* text = at(inside, "text");
  if (text == nullptr || !text->is_string()) {
    HOLDS(x.text.empty());
    return;
  }
  auto raw = document('"' + std::string{x.text} + '"');
  HOLDS(raw && *raw == *text);
  if (auto code = telegram::start_code(x)) {
    std::string_view words{text->get_string()};
    HOLDS(words.starts_with("/start"));
    HOLDS(words.find(*code) != std::string_view::npos && code->size() <= 64);
  }
}

void check_update(std::string_view text) {
  auto facts = telegram::read_update(text);
  auto received = updates::receive(text, 1'700'000'000'000);
  HOLDS(facts.has_value() == received.has_value());
  boost::system::error_code ec;
  auto all = document(text, ec);
  if (facts) {
    HOLDS(all || is_refused_alone(ec, text));
    HOLDS(received->update.id == facts->id && received->update.kind == facts->kind);
    HOLDS(received->update.key.kind == facts->queue_kind
          && received->update.key.id == facts->queue_id);
    HOLDS(received->update.expires > received->update.received);
    auto again = telegram::read_update(received->update.body.str());
    HOLDS(again && again->id == facts->id && again->queue_id == facts->queue_id);
  }
  if (!all || !all->is_object() || has_odd_names(text))
    return;
  auto* id = all->get_object().if_contains("update_id");
  bool fits = id != nullptr && id->is_int64() && id->get_int64() >= 0;
  HOLDS(facts.has_value() == fits);
  if (facts)
    check_facts(*facts, all->get_object());
}

/// Each update's own text, one after the other; one that is broken spoils no other.
void check_answer(std::string_view text) {
  auto found = telegram::split_updates(text);
  if (found) {
    auto* at = text.data();
    for (auto one : *found) {
      HOLDS(!one.empty() && one.data() > at && one.data() + one.size() < text.data() + text.size());
      at = one.data() + one.size();
    }
  }
  auto all = document(text);
  if (!all || !all->is_object() || has_odd_names(text))
    return;
  const auto& object = all->get_object();
  auto* ok = object.if_contains("ok");
  auto* result = object.if_contains("result");
  if (ok == nullptr || !ok->is_bool() || !ok->get_bool() || result == nullptr
      || !result->is_array()) {
    HOLDS(!found);
    return;
  }
  const auto& list = result->get_array();
  bool usual = std::all_of(list.begin(), list.end(),
                           [](const json::value& x) { return x.is_object(); });
  HOLDS(found || !usual);
  if (!found)
    return;
  HOLDS(found->size() == list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto one = document((*found)[i]);
    HOLDS(one && *one == list[i]);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  check_update(text);
  check_answer(text);
  HOLDS(telegram::content_hash(text) == telegram::content_hash(std::string{text}));
  return 0;
}

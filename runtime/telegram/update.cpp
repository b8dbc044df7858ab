#include "runtime/telegram/update.hpp"

#include "runtime/telegram/json_scan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace troupe::telegram {
namespace {

constexpr auto ordinary_lifetime = std::chrono::seconds{std::chrono::hours{24}};

/// What the object beside `update_id` says.
struct update_content {
  std::optional<std::int64_t> chat;         ///< chat.id
  std::optional<std::int64_t> message_chat; ///< message.chat.id
  std::optional<std::int64_t> from;         ///< from.id
  std::optional<std::int64_t> user;         ///< user.id
  std::optional<std::int64_t> member;       ///< new_chat_member.user.id
  std::optional<std::int64_t> id;           ///< id, a text of digits for some kinds
  std::optional<std::int64_t> poll;         ///< poll_id
  std::string_view text;
};

class update_reader {
public:
  explicit update_reader(std::string_view json) noexcept : scan_(json) {}

  bool run(update_facts& x) noexcept {
    bool has_id = false;
    bool ok = scan_.object([&](std::string_view key) { return top(key, x, has_id); });
    if (!ok || !scan_.finished() || !has_id || x.id < 0)
      return false;
    settle(x);
    return true;
  }

private:
  bool top(std::string_view key, update_facts& x, bool& has_id) noexcept {
    if (key == "update_id") {
      if (has_id)
        return scan_.skip();
      bool is_number = scan_.peek() != '"';
      return scan_.whole(x.id, has_id) && is_number;
    }
    bool is_object = scan_.peek() == '{';
    auto kind = find_update_kind(key);
    bool better = x.kind == unknown_update_kind && is_object
                  && (kind != unknown_update_kind || x.kind_name.empty());
    if (!better)
      return scan_.skip();
    x.kind = kind;
    x.kind_name = key;
    found_ = {};
    return body();
  }

  bool body() noexcept {
    return scan_.object([this](std::string_view key) {
      if (key == "chat")
        return inner(found_.chat);
      if (key == "from")
        return inner(found_.from);
      if (key == "user")
        return inner(found_.user);
      if (key == "message")
        return nested("chat", found_.message_chat);
      if (key == "new_chat_member")
        return nested("user", found_.member);
      if (key == "id")
        return number(found_.id);
      if (key == "poll_id")
        return number(found_.poll);
      if (key == "text" && scan_.peek() == '"')
        return scan_.string(found_.text);
      return scan_.skip();
    });
  }

  bool number(std::optional<std::int64_t>& into) noexcept {
    std::int64_t value = 0;
    bool is_one = false;
    auto* begin = scan_.position();
    if (!scan_.whole(value, is_one))
      return false;
    if (!is_one) // A poll's id might be no number one day.
      value = static_cast<std::int64_t>(content_hash(
        {begin, static_cast<std::size_t>(scan_.position() - begin)}));
    if (!into)
      into = value;
    return true;
  }

  /// {"id": …}
  bool inner(std::optional<std::int64_t>& into) noexcept {
    if (scan_.peek() != '{')
      return scan_.skip();
    return scan_.object(
      [&](std::string_view key) { return key == "id" ? number(into) : scan_.skip(); });
  }

  /// {"<name>": {"id": …}}
  bool nested(std::string_view name, std::optional<std::int64_t>& into) noexcept {
    if (scan_.peek() != '{')
      return scan_.skip();
    return scan_.object(
      [&](std::string_view key) { return key == name ? inner(into) : scan_.skip(); });
  }

  /// The id that a kind is ordered by.
  std::optional<std::int64_t> at(std::string_view path) const noexcept {
    if (path == "chat.id")
      return found_.chat;
    if (path == "from.id")
      return found_.from;
    if (path == "user.id")
      return found_.user;
    if (path == "poll_id")
      return found_.poll;
    if (path == "new_chat_member.user.id")
      return found_.member;
    return path == "id" ? found_.id : std::nullopt;
  }

  void settle(update_facts& x) const noexcept {
    x.chat = found_.chat ? *found_.chat : found_.message_chat.value_or(0);
    x.sender = found_.from ? *found_.from : found_.user.value_or(0);
    x.text = found_.text;
    x.lifetime = ordinary_lifetime;
    if (x.kind == unknown_update_kind) {
      auto other = found_.from ? found_.from : found_.user;
      x.queue_kind = found_.chat ? 0 : unknown_update_kind;
      x.queue_id = found_.chat ? *found_.chat : other.value_or(0);
      return;
    }
    auto& kind = update_kinds()[x.kind];
    x.lifetime = kind.lifetime;
    x.urgent = kind.urgent();
    x.queue_kind = kind.queue == queue_key_kind::chat ? 0 : static_cast<std::uint8_t>(x.kind + 1);
    x.queue_id = at(kind.key_path).value_or(0);
  }

  json_scan scan_;
  update_content found_;
};

constexpr bool is_code_character(char x) noexcept {
  return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z') || (x >= '0' && x <= '9') || x == '_'
         || x == '-';
}

constexpr std::uint64_t rotated_mix(std::uint64_t x) noexcept {
  x ^= x >> 33;
  x *= 0xFF51AFD7ED558CCDu;
  x ^= x >> 33;
  x *= 0xC4CEB9FE1A85EC53u;
  return x ^ (x >> 33);
}

} // namespace

std::optional<update_facts> read_update(std::string_view json) noexcept {
  update_facts x;
  if (!update_reader{json}.run(x))
    return std::nullopt;
  return x;
}

std::optional<std::string> start_code(const update_facts& x) {
  // Slashes may be escaped, and nothing else of a command that counts ever is.
  auto text = x.text;
  if (text.starts_with('\\'))
    text.remove_prefix(1);
  constexpr std::string_view command = "/start";
  if (!text.starts_with(command))
    return std::nullopt;
  text.remove_prefix(command.size());
  if (text.starts_with('@')) {
    auto end = text.find(' ');
    if (end == std::string_view::npos)
      return std::nullopt;
    text.remove_prefix(end);
  }
  if (!text.starts_with(' '))
    return std::nullopt;
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  while (text.ends_with(' '))
    text.remove_suffix(1);
  if (text.empty() || text.size() > 64 || !std::all_of(text.begin(), text.end(), is_code_character))
    return std::nullopt;
  return std::string{text};
}

std::optional<std::vector<std::string_view>> split_updates(std::string_view answer) {
  json_scan scan{answer};
  std::vector<std::string_view> result;
  bool ok = false;
  bool has_result = false;
  bool sane = scan.object([&](std::string_view key) {
    if (key == "ok") {
      ok = scan.peek() == 't';
      return scan.skip();
    }
    if (key != "result" || has_result)
      return scan.skip();
    has_result = true;
    return scan.array([&] {
      (void)scan.peek(); // Blanks are nobody's.
      auto* begin = scan.position();
      if (!scan.pass())
        return false;
      result.emplace_back(begin, static_cast<std::size_t>(scan.position() - begin));
      return true;
    });
  });
  if (!sane || !scan.finished() || !ok || !has_result)
    return std::nullopt;
  return result;
}

// After MurmurHash64A's shape: eight bytes at a time, little-endian.
std::uint64_t content_hash(std::string_view text) noexcept {
  constexpr std::uint64_t factor = 0xC6A4A7935BD1E995u;
  std::uint64_t hash = 0x5472'6F75'7065'2121u ^ (text.size() * factor);
  while (!text.empty()) {
    std::uint64_t part = 0;
    auto size = std::min<std::size_t>(text.size(), 8);
    static_assert(std::endian::native == std::endian::little);
    std::memcpy(&part, text.data(), size);
    part *= factor;
    part ^= part >> 47;
    hash = (hash ^ (part * factor)) * factor;
    text.remove_prefix(size);
  }
  return rotated_mix(hash);
}

} // namespace troupe::telegram

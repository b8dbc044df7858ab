#pragma once
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::telegram {

/// A bot's token: a secret. Wherever it is printed, logged or inspected for people it reads
/// `123456:***`; only `reveal` gives the text, for the wire and the cipher.
class bot_token {
public:
  /// An empty token; `id` is 0.
  bot_token() = default;

  /// Takes `^\d+:[A-Za-z0-9_-]{35}$` with a number from 1 to 2^63-1, nothing else.
  [[nodiscard]] static std::optional<bot_token> parse(std::string_view text);

  /// The number before the colon: the bot's id. Not a secret.
  [[nodiscard]] std::int64_t id() const noexcept { return id_; }

  /// The whole token. For the wire and the cipher only.
  [[nodiscard]] const std::string& reveal() const noexcept { return text_; }

  /// What may be printed: `123456:***`.
  [[nodiscard]] std::string masked() const;

  friend bool operator==(const bot_token&, const bot_token&) = default;

  /// Masked for people, the whole token for a serializer (links between nodes are encrypted).
  template <class Inspector>
  friend bool inspect(Inspector& f, bot_token& x) {
    if (f.has_human_readable_format()) {
      auto shown = x.masked();
      return f.apply(shown);
    }
    auto get = [&x] { return x.text_; };
    auto set = [&x](const std::string& text) {
      auto parsed = parse(text);
      if (!parsed && !text.empty())
        return false;
      x = parsed ? *std::move(parsed) : bot_token{};
      return true;
    };
    return f.apply(get, set);
  }

private:
  std::string text_;
  std::int64_t id_ = 0;
};

std::string to_string(const bot_token& x);
std::ostream& operator<<(std::ostream& out, const bot_token& x);

} // namespace troupe::telegram

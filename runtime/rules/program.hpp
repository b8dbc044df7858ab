#pragma once
#include <boost/json/fwd.hpp>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// Rules that answer a bot's updates: docs/rules.md is their description for people.
namespace troupe::rules {

/// Bounds, so that the work for one update is bounded too.
inline constexpr std::size_t max_rules = 100;
inline constexpr std::size_t max_keywords = 200; ///< Over all rules.
inline constexpr std::size_t max_keyword_words = 8;
inline constexpr std::size_t max_buttons = 100; ///< Under one reply.
inline constexpr std::size_t max_reply = 4096;  ///< Characters as the Bot API counts (UTF-16).
inline constexpr std::size_t max_answer = 200;  ///< The same, of answerCallbackQuery.

enum class placeholder : std::uint8_t { none, first_name, username, chat_id, text, args, date };

/// Literal text, then the value of `what`.
struct piece {
  std::string literal;
  placeholder what = placeholder::none;
};

struct text_template {
  std::vector<piece> pieces;
  std::size_t literal_units = 0; ///< UTF-16 units of all literals.
  [[nodiscard]] bool empty() const noexcept { return pieces.empty(); }
};

enum class parse_mode : std::uint8_t { none, html, markdown_v2 };

enum class trigger_kind : std::uint8_t {
  command,  ///< "/name" at the beginning.
  keyword,  ///< Words in the text, one after the other.
  text,     ///< Any message with text or a caption.
  callback, ///< A button's data.
  any,      ///< Any message, and any callback.
};

using word_list = std::vector<std::u32string>; ///< Folded, see words.hpp.

struct trigger {
  trigger_kind kind = trigger_kind::any;
  std::vector<std::string> names;  ///< Commands without "/", in lower case; data of callbacks, a
                                   ///< last "*" stands for anything.
  std::vector<word_list> keywords;
};

enum class chat_filter : std::uint8_t { all, private_chats, groups };

struct rule {
  trigger on;
  chat_filter chats = chat_filter::all;
  text_template reply;
  parse_mode mode = parse_mode::none;
  bool preview = true;  ///< Links in the reply are shown with a preview.
  bool quote = false;   ///< The reply refers to the message.
  std::string keyboard; ///< `reply_markup` as JSON; empty: none.
  std::string forward;  ///< chat_id as JSON; empty: nowhere.
  text_template answer; ///< Of answerCallbackQuery.
  bool alert = false;
};

struct rate_rule {
  std::uint32_t per_minute = 0; ///< Answers to one user; 0: no limit.
  std::string reply;            ///< Once, to who is above it; empty: silence.
};

struct program {
  std::vector<rule> rules; ///< The first that fits answers.
  rate_rule rate;
};

/// A sentence for people that names the member: "rules[2].reply: ...".
class bad_rules : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Reads a list of rules, or `{"rules": [...], "rate": {...}}`, or the name of a program of the
/// node's library (a string). Unknown members are errors.
/// @throws bad_rules
[[nodiscard]] std::shared_ptr<const program> parse(const boost::json::value& rules);

/// The same, from JSON text.
[[nodiscard]] std::shared_ptr<const program> parse_text(std::string_view json);

} // namespace troupe::rules

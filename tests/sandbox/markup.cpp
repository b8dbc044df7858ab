// HTML and MarkdownV2, as bots write them.
#include "tests/sandbox/entity.hpp"
#include "tests/sandbox/text.hpp"

#include "runtime/telegram/errors.hpp"

#include <array>
#include <utility>

namespace troupe::sandbox {

namespace {

// Telegram's HTML: a handful of tags, four named references, no nesting errors.
class html_reader {
public:
  explicit html_reader(std::string_view source) : rest_(source) {}

  formatted_text read() {
    while (!rest_.empty() && result_.error.empty())
      step();
    if (result_.error.empty() && !open_.empty())
      result_.error =
        "Can't find end tag corresponding to start tag \"" + std::string{open_.back().tag} + '"';
    result_.entities = to_json(entities_);
    return std::move(result_);
  }

private:
  struct open_tag {
    std::string_view tag;
    std::size_t index;
  };

  void step() {
    if (rest_.front() == '<')
      read_tag();
    else if (rest_.front() == '&')
      read_reference();
    else
      take(rest_.find_first_of("<&"));
  }

  void take(std::size_t count) {
    auto piece = rest_.substr(0, count);
    result_.text += piece;
    position_ += utf16_length(piece);
    rest_.remove_prefix(piece.size());
  }

  void read_reference() {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> known{
      {{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}, {"&quot;", "\""}}};
    for (auto& [name, meaning] : known)
      if (rest_.starts_with(name)) {
        result_.text += meaning;
        ++position_;
        rest_.remove_prefix(name.size());
        return;
      }
    take(1);
  }

  void read_tag() {
    auto end = rest_.find('>');
    if (end == std::string_view::npos) {
      result_.error = "Unclosed start tag at byte offset " + std::to_string(result_.text.size());
      return;
    }
    auto inside = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (inside.starts_with('/'))
      close_tag(inside.substr(1));
    else
      start_tag(inside);
  }

  void start_tag(std::string_view inside) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 14> types{
      {{"b", "bold"},
       {"strong", "bold"},
       {"i", "italic"},
       {"em", "italic"},
       {"u", "underline"},
       {"ins", "underline"},
       {"s", "strikethrough"},
       {"strike", "strikethrough"},
       {"del", "strikethrough"},
       {"code", "code"},
       {"pre", "pre"},
       {"blockquote", "blockquote"},
       {"tg-spoiler", "spoiler"},
       {"a", "text_link"}}};
    auto tag = inside.substr(0, inside.find_first_of(" \n"));
    for (auto& [name, type] : types)
      if (tag == name) {
        open_.push_back({tag, entities_.size()});
        entities_.push_back({type, position_, 0, type == "text_link" ? link(inside) : ""});
        return;
      }
    result_.error = "Unsupported start tag \"" + std::string{tag} + '"';
  }

  static std::string link(std::string_view inside) {
    auto at = inside.find("href=");
    auto url = at == std::string_view::npos ? std::string_view{} : inside.substr(at + 5);
    if (!url.empty() && (url.front() == '"' || url.front() == '\'')) {
      auto quote = url.front();
      url.remove_prefix(1);
      url = url.substr(0, url.find(quote));
    }
    std::string out = R"(,"url":)";
    telegram::append_json_string(out, url);
    return out;
  }

  void close_tag(std::string_view tag) {
    if (open_.empty() || open_.back().tag != tag) {
      result_.error = "Unexpected end tag \"" + std::string{tag} + '"';
      return;
    }
    auto& x = entities_[open_.back().index];
    x.length = position_ - x.offset;
    if (x.length == 0)
      entities_.erase(entities_.begin() + static_cast<std::ptrdiff_t>(open_.back().index));
    open_.pop_back();
  }

  std::string_view rest_;
  std::size_t position_ = 0;
  formatted_text result_;
  std::vector<entity> entities_;
  std::vector<open_tag> open_;
};

// MarkdownV2's inline marks; what must be escaped and is not is an error, as with the real one.
class markdown_reader {
public:
  explicit markdown_reader(std::string_view source) : rest_(source) {}

  formatted_text read() {
    while (!rest_.empty() && result_.error.empty())
      step();
    if (result_.error.empty() && !open_.empty()) {
      result_.error = "Can't find end of the entity starting at byte offset ";
      result_.error += std::to_string(entities_[open_.back().second].offset);
    }
    std::erase_if(entities_, [](const entity& x) { return x.length == 0; });
    result_.entities = to_json(entities_);
    return std::move(result_);
  }

private:
  void step() {
    auto in_code = !open_.empty() && open_.back().first == "`";
    if (rest_.front() == '\\' && rest_.size() > 1) {
      rest_.remove_prefix(1);
      take();
    } else if (!take_mark(in_code)) {
      if (!in_code && std::string_view{"[]()>#+-=|{}.!"}.find(rest_.front()) != rest_.npos)
        refuse(rest_.front());
      else
        take();
    }
  }

  void refuse(char reserved) {
    result_.error = "Character '";
    result_.error += reserved;
    result_.error += "' is reserved and must be escaped with the preceding '\\'";
  }

  void take() { // One code point.
    std::size_t n = 1;
    while (n < rest_.size() && (static_cast<unsigned char>(rest_[n]) & 0xc0) == 0x80)
      ++n;
    result_.text += rest_.substr(0, n);
    position_ += utf16_length(rest_.substr(0, n));
    rest_.remove_prefix(n);
  }

  bool take_mark(bool in_code) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> marks{
      {{"||", "spoiler"},
       {"__", "underline"},
       {"*", "bold"},
       {"_", "italic"},
       {"~", "strikethrough"},
       {"`", "code"}}};
    for (auto& [mark, type] : marks) {
      if (!rest_.starts_with(mark) || (in_code && mark != "`"))
        continue;
      if (!open_.empty() && open_.back().first == mark) {
        auto& x = entities_[open_.back().second];
        x.length = position_ - x.offset;
        open_.pop_back();
      } else {
        open_.emplace_back(mark, entities_.size());
        entities_.push_back({type, position_, 0, {}});
      }
      rest_.remove_prefix(mark.size());
      return true;
    }
    return false;
  }

  std::string_view rest_;
  std::size_t position_ = 0;
  formatted_text result_;
  std::vector<entity> entities_;
  std::vector<std::pair<std::string_view, std::size_t>> open_;
};

bool same_mode(std::string_view mode, std::string_view lower) noexcept {
  if (mode.size() != lower.size())
    return false;
  for (std::size_t i = 0; i < mode.size(); ++i)
    if ((mode[i] | 0x20) != (lower[i] | 0x20))
      return false;
  return true;
}

} // namespace

std::string to_json(const std::vector<entity>& entities) {
  if (entities.empty())
    return {};
  std::string out = "[";
  for (auto& x : entities) {
    if (out.size() > 1)
      out += ',';
    out += R"({"offset":)" + std::to_string(x.offset) + R"(,"length":)" + std::to_string(x.length)
           + R"(,"type":")" + std::string{x.type} + '"' + x.more + '}';
  }
  return out + ']';
}

formatted_text parse_markup(std::string_view text, std::string_view mode) {
  if (same_mode(mode, "html"))
    return html_reader{text}.read();
  if (same_mode(mode, "markdownv2"))
    return markdown_reader{text}.read();
  return {std::string{text}, find_entities(text), {}};
}

} // namespace troupe::sandbox

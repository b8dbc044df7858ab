#include "tests/sandbox/parameters.hpp"

#include "runtime/telegram/json_members.hpp"
#include "tests/sandbox/multipart.hpp"

#include <charconv>

namespace troupe::sandbox {

namespace {

constexpr int hex(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

constexpr std::size_t kept_texts = 64;
constexpr std::size_t longest_boundary = 70;    // As td's HttpReader has it; the next, too.
constexpr std::size_t most_bytes = 1024 * 1024; // Of parameters that are no files.

bool contains_word(std::string_view text, std::string_view word) noexcept {
  for (std::size_t i = 0; i + word.size() <= text.size(); ++i) {
    std::size_t j = 0;
    while (j < word.size() && (text[i + j] | 0x20) == word[j])
      ++j;
    if (j == word.size())
      return true;
  }
  return false;
}

} // namespace

std::string percent_decoded(std::string_view text, bool plus_is_space) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      result += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      result += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::optional<std::int64_t> to_integer(std::string_view text) noexcept {
  std::int64_t result = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty())
    return std::nullopt;
  return result;
}

void parameters::clear() {
  entries_.clear();
  files_.clear();
  texts_used_ = bytes_ = 0;
  if (texts_.size() > kept_texts)
    texts_.clear();
}

std::string_view parameters::keep(std::string text) {
  if (texts_used_ == texts_.size())
    texts_.emplace_back();
  auto& place = texts_[texts_used_++];
  place = std::move(text);
  return place;
}

std::string_view parameters::decoded(std::string_view text, bool plus_is_space) {
  if (text.find_first_of(plus_is_space ? "%+" : "%") == std::string_view::npos)
    return text;
  return keep(percent_decoded(text, plus_is_space));
}

void parameters::read_urlencoded(std::string_view text) {
  while (!text.empty()) {
    auto pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    auto equals = pair.find('=');
    auto name = decoded(pair.substr(0, equals), true);
    if (!name.empty())
      add(name, equals == std::string_view::npos ? std::string_view{}
                                                 : decoded(pair.substr(equals + 1), true));
  }
}

void parameters::read_query(std::string_view query) {
  if (!query.empty())
    read_urlencoded(query);
  bytes_ += query.size();
}

std::optional<telegram::api_error> parameters::read_json(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return std::nullopt;
  telegram::json_members all{text};
  telegram::json_member one;
  auto meant = [this](std::string_view raw, bool escaped) {
    return escaped ? keep(telegram::unescaped_json(raw)) : raw;
  };
  while (all.next(one))
    if (one.is_text || one.value != "null")
      add(meant(one.name, one.name_escaped), meant(one.value, one.value_escaped));
  if (!all.is_whole())
    return telegram::bad_request("can't parse request JSON object");
  return std::nullopt;
}

std::optional<telegram::api_error> parameters::read_multipart(std::string_view content_type,
                                                              std::string_view text) {
  auto boundary = multipart_boundary(content_type);
  if (boundary.empty())
    return telegram::bad_request("boundary is missing in the Content-Type of a multipart body");
  if (boundary.size() > longest_boundary)
    return telegram::bad_request("boundary too big or empty");
  auto good = read_parts(text, boundary, [this](const part& x) {
    if (x.is_file)
      return files_.push_back({x.name, x.file_name, x.content_type, x.content});
    add(x.name, x.content);
    bytes_ += x.content.size();
  });
  if (!good)
    return telegram::bad_request("can't parse the multipart body");
  return std::nullopt;
}

std::optional<telegram::api_error> parameters::read_body(std::string_view content_type,
                                                         std::string_view body) {
  if (body.empty())
    return std::nullopt;
  std::optional<telegram::api_error> error;
  if (contains_word(content_type, "multipart/form-data")) {
    error = read_multipart(content_type, body);
  } else if (contains_word(content_type, "application/x-www-form-urlencoded")) {
    read_urlencoded(body);
    bytes_ += body.size();
  } else if (contains_word(content_type, "application/json")) {
    error = read_json(body);
    bytes_ += body.size();
  } // The official server takes no notice of other bodies.
  if (bytes_ > most_bytes)
    return telegram::api_error{.code = 413,
                               .description = "Request Entity Too Large: too many parameters"};
  return error;
}

std::optional<telegram::api_error> parameters::read(const net::http_request& request) {
  read_query(request.query());
  return read_body(request.header("Content-Type"), request.body);
}

std::optional<std::string_view> parameters::find(std::string_view name) const noexcept {
  for (auto& x : entries_)
    if (x.name == name)
      return x.value;
  return std::nullopt;
}

std::string_view parameters::text(std::string_view name) const noexcept {
  return find(name).value_or(std::string_view{});
}

std::optional<std::int64_t> parameters::integer(std::string_view name) const noexcept {
  auto value = find(name);
  return value ? to_integer(*value) : std::nullopt;
}

bool parameters::flag(std::string_view name) const noexcept {
  auto value = text(name);
  return value == "true" || value == "True" || value == "TRUE" || value == "1" || value == "yes";
}

const upload* parameters::file(std::string_view name) const noexcept {
  if (auto value = find(name))
    return attached(*value);
  for (auto& x : files_)
    if (x.field == name)
      return &x;
  return nullptr;
}

const upload* parameters::attached(std::string_view reference) const noexcept {
  constexpr std::string_view scheme = "attach://";
  if (!reference.starts_with(scheme))
    return nullptr;
  reference.remove_prefix(scheme.size());
  for (auto& x : files_)
    if (x.field == reference)
      return &x;
  return nullptr;
}

} // namespace troupe::sandbox

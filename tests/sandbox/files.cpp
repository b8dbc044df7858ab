#include "tests/sandbox/files.hpp"

#include <array>
#include <random>

namespace troupe::sandbox {

namespace {

// Ids that look like the real ones: long, URL-safe, not to be guessed.
std::string random_text(std::size_t length) {
  static constexpr std::string_view letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string result(length, ' ');
  for (auto& c : result)
    c = letters[random() & 63];
  return result;
}

constexpr std::uint32_t byte(std::string_view text, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(text[at]);
}

struct mime_type {
  std::string_view end;
  std::string_view type;
};
constexpr std::array<mime_type, 14> mime_types{{{".jpg", "image/jpeg"},
                                                {".jpeg", "image/jpeg"},
                                                {".png", "image/png"},
                                                {".gif", "image/gif"},
                                                {".webp", "image/webp"},
                                                {".mp4", "video/mp4"},
                                                {".mp3", "audio/mpeg"},
                                                {".ogg", "audio/ogg"},
                                                {".pdf", "application/pdf"},
                                                {".zip", "application/zip"},
                                                {".json", "application/json"},
                                                {".txt", "text/plain"},
                                                {".csv", "text/csv"},
                                                {".html", "text/html"}}};

} // namespace

stored_file file_store::add(std::string_view folder, std::string_view name, std::string_view mime,
                            std::string_view content) {
  stored_file x;
  x.id = "BQACAgI" + random_text(57);
  x.unique_id = "AgAD" + random_text(11);
  x.name = name;
  x.mime = mime.empty() ? mime_of(name) : mime;
  x.size = content.size();
  x.content = std::make_shared<const std::string>(content);
  std::lock_guard lock{mutex_};
  auto dot = name.rfind('.');
  auto end =
    dot == std::string_view::npos || name.size() - dot > 8 ? std::string_view{} : name.substr(dot);
  x.path = std::string{folder} + "/file_" + std::to_string(next_++);
  for (char c : end) // Nothing that would need escaping in a URL.
    if (c == '.' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
      x.path += c;
  bytes_ += x.size;
  while (bytes_ > capacity_ && !oldest_first_.empty()) {
    auto old = files_.extract(oldest_first_.front());
    oldest_first_.pop_front();
    bytes_ -= old.mapped().size;
    ids_by_path_.erase(old.mapped().path);
  }
  files_.emplace(x.id, x);
  ids_by_path_.emplace(x.path, x.id);
  oldest_first_.push_back(x.id);
  return x;
}

std::optional<stored_file> file_store::find(std::string_view id) const {
  std::lock_guard lock{mutex_};
  auto at = files_.find(std::string{id});
  return at == files_.end() ? std::nullopt : std::optional{at->second};
}

std::optional<stored_file> file_store::find_path(std::string_view path) const {
  std::lock_guard lock{mutex_};
  auto at = ids_by_path_.find(std::string{path});
  return at == ids_by_path_.end() ? std::nullopt : std::optional{files_.at(at->second)};
}

std::size_t file_store::bytes() const {
  std::lock_guard lock{mutex_};
  return bytes_;
}

void file_store::clear() {
  std::lock_guard lock{mutex_};
  files_.clear();
  ids_by_path_.clear();
  oldest_first_.clear();
  bytes_ = 0;
}

image_size measure_image(std::string_view x) noexcept {
  if (x.size() >= 24 && x.starts_with("\x89PNG"))
    return {byte(x, 16) << 24 | byte(x, 17) << 16 | byte(x, 18) << 8 | byte(x, 19),
            byte(x, 20) << 24 | byte(x, 21) << 16 | byte(x, 22) << 8 | byte(x, 23)};
  if (x.size() >= 10 && x.starts_with("GIF8"))
    return {byte(x, 6) | byte(x, 7) << 8, byte(x, 8) | byte(x, 9) << 8};
  if (x.size() < 4 || byte(x, 0) != 0xff || byte(x, 1) != 0xd8)
    return {};
  for (std::size_t at = 2; at + 9 < x.size() && byte(x, at) == 0xff;) { // JPEG segments.
    auto marker = byte(x, at + 1);
    if (marker >= 0xc0 && marker <= 0xc3)
      return {byte(x, at + 7) << 8 | byte(x, at + 8), byte(x, at + 5) << 8 | byte(x, at + 6)};
    at += 2 + (byte(x, at + 2) << 8 | byte(x, at + 3));
  }
  return {};
}

std::string_view mime_of(std::string_view file_name) noexcept {
  for (auto& x : mime_types)
    if (file_name.ends_with(x.end))
      return x.type;
  return "application/octet-stream";
}

} // namespace troupe::sandbox

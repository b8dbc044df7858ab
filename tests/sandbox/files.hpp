#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace troupe::sandbox {

/// A file as the Bot API knows it.
struct stored_file {
  std::string id;
  std::string unique_id;
  std::string path; ///< "documents/file_7.pdf", for /file/bot<token>/<path>.
  std::string name; ///< As it was uploaded; may be empty.
  std::string mime;
  std::size_t size = 0;
  std::shared_ptr<const std::string> content;
};

/// All files of one sandbox, the newest up to a bound in bytes. Thread-safe.
class file_store {
public:
  explicit file_store(std::size_t capacity) : capacity_(capacity) {}

  /// Keeps a file; `folder` is "photos", "documents", … Older ones may go for it.
  stored_file add(std::string_view folder, std::string_view name, std::string_view mime,
                  std::string_view content);

  [[nodiscard]] std::optional<stored_file> find(std::string_view id) const;
  [[nodiscard]] std::optional<stored_file> find_path(std::string_view path) const;
  [[nodiscard]] std::size_t bytes() const;
  void clear();

private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, stored_file> files_;
  std::unordered_map<std::string, std::string> ids_by_path_;
  std::deque<std::string> oldest_first_;
  std::size_t bytes_ = 0;
  std::size_t capacity_;
  std::uint64_t next_ = 0;
};

/// Width and height of a PNG, GIF or baseline JPEG; {90, 90} if it is none.
struct image_size {
  std::uint32_t width = 90;
  std::uint32_t height = 90;
};
[[nodiscard]] image_size measure_image(std::string_view content) noexcept;

/// The content type that a file name's end tells; "application/octet-stream" if none.
[[nodiscard]] std::string_view mime_of(std::string_view file_name) noexcept;

} // namespace troupe::sandbox

#pragma once
#include "runtime/net/http_server.hpp"
#include "runtime/telegram/errors.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sandbox {

/// A file that came in a multipart body.
struct upload {
  std::string_view field;
  std::string_view file_name;
  std::string_view content_type;
  std::string_view content;
};

/// The parameters of one request: query, urlencoded, JSON and multipart merged; the first of a name
/// wins, the query before the body. Nested JSON values are kept as JSON text, as the Bot API does.
/// Values are views into the request and into this object.
class parameters {
public:
  parameters() = default;
  parameters(const parameters&) = delete;
  parameters& operator=(const parameters&) = delete;

  /// Forgets everything, keeps the memory.
  void clear();

  /// Adds the request's query and body. An error if the body cannot be read.
  [[nodiscard]] std::optional<telegram::api_error> read(const net::http_request& request);
  /// The same, of a body of that content type alone.
  [[nodiscard]] std::optional<telegram::api_error> read_body(std::string_view content_type,
                                                             std::string_view body);
  void read_query(std::string_view query);

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  /// Empty if there is none.
  [[nodiscard]] std::string_view text(std::string_view name) const noexcept;
  /// Nullopt if there is none or it is no whole number.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const noexcept;
  /// True for "true", "yes", "1" in any case.
  [[nodiscard]] bool flag(std::string_view name) const noexcept;
  /// The file sent as `name` itself or as `attach://…`; nullptr if there is none.
  [[nodiscard]] const upload* file(std::string_view name) const noexcept;
  /// The file that `attach://…` points to.
  [[nodiscard]] const upload* attached(std::string_view reference) const noexcept;
  [[nodiscard]] const std::vector<upload>& files() const noexcept { return files_; }

private:
  struct entry {
    std::string_view name;
    std::string_view value;
  };

  void add(std::string_view name, std::string_view value) { entries_.push_back({name, value}); }
  std::string_view keep(std::string text);
  std::string_view decoded(std::string_view text, bool plus_is_space);
  void read_urlencoded(std::string_view text);
  std::optional<telegram::api_error> read_json(std::string_view text);
  std::optional<telegram::api_error> read_multipart(std::string_view content_type,
                                                    std::string_view text);

  std::vector<entry> entries_;
  std::vector<upload> files_;
  std::deque<std::string> texts_; ///< What had to be decoded; a deque keeps views valid.
  std::size_t texts_used_ = 0;
  std::size_t bytes_ = 0; ///< Of all that is no file, as it came.
};

/// Decodes %XX. Damaged sequences stay as they are.
[[nodiscard]] std::string percent_decoded(std::string_view text, bool plus_is_space);

/// Reads a whole number; nullopt if `text` is anything else.
[[nodiscard]] std::optional<std::int64_t> to_integer(std::string_view text) noexcept;

} // namespace troupe::sandbox

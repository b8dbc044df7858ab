#pragma once
#include "runtime/log/log.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::log {

/// While it lives, every line of at least `threshold` is kept here, as JSON, and written nowhere
/// else. One at a time per process (the newest wins until it ends). For tests.
class capture {
public:
  explicit capture(level threshold = level::debug);
  capture(const capture&) = delete;
  capture& operator=(const capture&) = delete;
  ~capture();

  /// The lines so far, in the order they were logged.
  [[nodiscard]] std::vector<std::string> lines() const;

  /// The lines of one event.
  [[nodiscard]] std::vector<std::string> lines(std::string_view event) const;

  [[nodiscard]] std::size_t count(std::string_view event) const { return lines(event).size(); }

  struct buffer;

private:
  std::shared_ptr<buffer> buffer_;
  std::shared_ptr<buffer> outer_;
  level outer_threshold_;
};

} // namespace troupe::log

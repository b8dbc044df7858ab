#pragma once
#include <caf/telemetry/metric_registry.hpp>

#include <memory>
#include <string>

namespace troupe::metrics {

/// Makes the text that Prometheus scrapes: everything in one registry, and the process's resident
/// and virtual memory, CPU seconds and open descriptors, read at each call. Thread-safe.
class exporter {
public:
  /// @param registry must outlive the exporter
  explicit exporter(caf::telemetry::metric_registry& registry);
  ~exporter();

  [[nodiscard]] std::string render();

  /// What `render` returns, as a Content-Type.
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::metrics

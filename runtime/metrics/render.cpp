#include "runtime/metrics/render.hpp"

#include <caf/telemetry/collector/prometheus.hpp>
#include <caf/telemetry/gauge.hpp>
#include <caf/telemetry/importer/process.hpp>

#include <chrono>
#include <filesystem>
#include <mutex>

namespace troupe::metrics {
namespace {

std::int64_t open_descriptors() {
  std::error_code failed;
  auto entries = std::filesystem::directory_iterator{"/proc/self/fd", failed};
  // One of them is the directory being read.
  return failed ? 0 : std::distance(begin(entries), end(entries)) - 1;
}

} // namespace

struct exporter::impl {
  explicit impl(caf::telemetry::metric_registry& registry)
    : registry(registry), process(registry),
      descriptors(registry.gauge_singleton("process", "open-fds", "Open file descriptors.")) {}

  std::mutex mtx;
  caf::telemetry::metric_registry& registry;
  caf::telemetry::importer::process process;
  caf::telemetry::int_gauge* descriptors;
  caf::telemetry::collector::prometheus collector;
};

exporter::exporter(caf::telemetry::metric_registry& registry)
  : impl_(std::make_unique<impl>(registry)) {}

exporter::~exporter() = default;

std::string exporter::render() {
  std::lock_guard guard{impl_->mtx};
  impl_->process.update();
  impl_->descriptors->value(open_descriptors());
  auto now = std::chrono::system_clock::now();
  auto text = impl_->collector.collect_from(
    impl_->registry,
    caf::timestamp{std::chrono::duration_cast<caf::timespan>(now.time_since_epoch())});
  return {text.begin(), text.end()};
}

} // namespace troupe::metrics

#pragma once
#include "messages/health.hpp"
#include "messages/journal.hpp"
#include "messages/rate_governor.hpp"
#include "messages/session_pool.hpp"
#include "runtime/metrics/instruments.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::api {

/// Brings the instruments up to what the services report; asked for at each scrape. Totals that a
/// restarted service begins anew go on growing here. Thread-safe.
class scrape {
public:
  explicit scrape(std::shared_ptr<metrics::instruments> to) : to_(std::move(to)) {}

  void update(const pool_report& x);
  void update(const governor_report& x);
  void update(const health_report& x);
  void update(const journal_report& x);
  void update_late_calls(std::uint64_t total);
  void update(const std::array<std::uint64_t, bot_phase_names.size()>& bots);

  /// Restarts of a child so far; bots of one shard together.
  /// @param place tells apart children of one name
  void update_restarts(std::string_view name, const std::string& place, std::uint64_t total);

private:
  /// What was added to the total called `key` since the last look.
  std::int64_t growth(const std::string& key, std::uint64_t total);

  std::shared_ptr<metrics::instruments> to_;
  std::mutex mtx_;
  std::map<std::string, std::uint64_t> last_;
};

} // namespace troupe::api

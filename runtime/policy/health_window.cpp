#include "runtime/policy/health_window.hpp"

#include <algorithm>
#include <limits>

namespace troupe {
namespace {

constexpr auto buckets = static_cast<std::int64_t>(health_window::bucket_count);

template <class Count>
void bump(Count& x) noexcept {
  if (x < std::numeric_limits<Count>::max())
    ++x;
}

} // namespace

template <class Count>
void basic_health_window<Count>::record(duration length, time_point at, verdict what) noexcept {
  auto n = number(length, at);
  if (n <= newest_ - buckets)
    return;
  if (n > newest_) {
    for (auto i = std::max(newest_ + 1, n - buckets + 1); i <= n; ++i)
      buckets_[static_cast<std::size_t>(i % buckets)] = {};
    newest_ = n;
  }
  auto& b = buckets_[static_cast<std::size_t>(n % buckets)];
  bump(b.requests);
  switch (what) {
  case verdict::failure:
    return bump(b.failures);
  case verdict::client_error:
    return bump(b.client_errors);
  case verdict::rate_limited:
    return bump(b.rate_limited);
  case verdict::success:
    return;
  }
}

template <class Count>
health_totals basic_health_window<Count>::sum(duration length, time_point now) const noexcept {
  health_totals result;
  auto last = number(length, now);
  for (auto i = std::max(last - buckets, newest_ - buckets) + 1; i <= std::min(last, newest_);
       ++i) {
    auto& b = buckets_[static_cast<std::size_t>(i % buckets)];
    result.requests += b.requests;
    result.failures += b.failures;
    result.client_errors += b.client_errors;
    result.rate_limited += b.rate_limited;
  }
  return result;
}

template class basic_health_window<std::uint16_t>;
template class basic_health_window<std::uint32_t>;

} // namespace troupe

#pragma once
#include "runtime/telegram/methods.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::sandbox {

/// Requests and outcomes per method, counted per thread so that counting costs next to nothing.
class call_stats {
public:
  explicit call_stats(unsigned threads);

  /// On thread `thread` only: a request of `method` was answered with `status`; 0: not at all.
  void count(unsigned thread, std::uint16_t method, int status) noexcept;

  /// `{"getMe":{"requests":2,"outcomes":{"200":2}},…}`; methods never asked for are left out.
  [[nodiscard]] std::string report() const;
  [[nodiscard]] std::uint64_t requests(std::uint16_t method) const noexcept;
  /// Counts that come in meanwhile may survive it.
  void reset() noexcept;

private:
  static constexpr std::array<int, 14> statuses{200, 0,   400, 401, 403, 404, 409,
                                                413, 429, 500, 502, 503, 504, -1};
  static constexpr std::size_t other = statuses.size() - 1;
  using row = std::array<std::atomic<std::uint64_t>, statuses.size()>;

  [[nodiscard]] std::uint64_t sum(std::uint16_t method, std::size_t column) const noexcept;

  std::vector<std::unique_ptr<row[]>> threads_;
};

} // namespace troupe::sandbox

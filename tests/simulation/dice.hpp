#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <span>

namespace troupe::simulation {

/// One step of splitmix64 (Steele, Lea, Flood 2014): makes independent seeds of one.
[[nodiscard]] constexpr std::uint64_t split(std::uint64_t& state) noexcept {
  auto z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/// xoshiro256** (Blackman, Vigna 2018). The same numbers on every machine: nothing of <random>'s
/// distributions, whose results are each library's own.
class dice {
public:
  explicit dice(std::uint64_t seed) noexcept {
    for (auto& x : state_)
      x = split(seed);
  }

  std::uint64_t next() noexcept {
    auto result = std::rotl(state_[1] * 5, 7) * 9;
    auto t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// 0 to n - 1; n is above 0. (The bias of a few n in 2^64 is of no importance here.)
  std::uint64_t below(std::uint64_t n) noexcept { return next() % n; }
  /// `from` to `to`, both included.
  std::int64_t between(std::int64_t from, std::int64_t to) noexcept {
    return from + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(to - from) + 1));
  }
  /// True in so many of a thousand cases.
  bool chance(std::uint64_t per_mille) noexcept { return below(1000) < per_mille; }

  void fill(std::span<std::uint8_t> out) noexcept {
    for (auto& x : out)
      x = static_cast<std::uint8_t>(next());
  }

private:
  std::array<std::uint64_t, 4> state_{};
};

} // namespace troupe::simulation

#pragma once
#include "runtime/crypto/random.hpp"

#include <memory>
#include <random>

namespace troupe::crypto {

/// A reproducible source: the same seed, the same bytes.
inline random_source seeded(std::uint64_t seed) {
  return [engine = std::make_shared<std::mt19937_64>(seed)](std::span<std::uint8_t> bytes) {
    for (auto& byte : bytes)
      byte = static_cast<std::uint8_t>((*engine)() >> 32);
  };
}

/// A source that gives `value` only.
inline random_source constant(std::uint8_t value) {
  return [value](std::span<std::uint8_t> bytes) {
    for (auto& byte : bytes)
      byte = value;
  };
}

/// The key whose bytes are all `value`.
inline secret_key key_of(std::uint8_t value) {
  return random_key(constant(value));
}

} // namespace troupe::crypto

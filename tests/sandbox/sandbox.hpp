#pragma once
#include "tests/sandbox/options.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::sandbox {

class world;

/// A running sandbox: what `troupe-sandbox` is, for tests to embed.
class server {
public:
  /// Serves from now on. Throws std::runtime_error with a sentence for people.
  explicit server(options opts);
  ~server();

  server(const server&) = delete;
  server& operator=(const server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;
  /// "http://127.0.0.1:8090", without a slash at the end.
  [[nodiscard]] std::string url() const;
  /// Its state, to look at and to steer without HTTP.
  [[nodiscard]] world& state() noexcept;

  /// Accepts no more, lets requests finish for at most `grace`, ends.
  void stop(std::chrono::milliseconds grace);

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::sandbox

#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace troupe::integration {

/// How an answer is sent.
struct pace {
  std::size_t piece = 0;              ///< Bytes at once; 0: all.
  std::chrono::milliseconds pause{0}; ///< Between two pieces.
};

/// An upstream that keeps the bytes it gets and gives the same answer to every request.
class recorder {
public:
  /// @param answer sent, as it is, after each whole request
  /// @param closes whether the connection ends after the answer
  explicit recorder(std::string answer, bool closes = false, pace how = {});
  ~recorder();

  recorder(const recorder&) = delete;
  recorder& operator=(const recorder&) = delete;

  /// Reads nothing more when so many bytes came, until it goes on.
  void pause_at(std::uint64_t bytes) noexcept { pause_at_ = bytes; }
  void go_on() noexcept { pause_at_ = ~std::uint64_t{0}; }

  [[nodiscard]] std::string url() const;
  /// The first 64 KiB that came, over all connections.
  [[nodiscard]] std::string bytes() const;
  /// How many bytes came.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] unsigned requests() const noexcept { return requests_; }

private:
  void accept();
  void serve(int socket);
  bool answer(int socket) const;

  std::string answer_;
  bool closes_;
  pace pace_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> pause_at_{~std::uint64_t{0}};
  std::atomic<std::uint64_t> total_{0};
  std::atomic<unsigned> requests_{0};
  mutable std::mutex mutex_;
  std::string bytes_;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

} // namespace troupe::integration

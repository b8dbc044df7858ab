#pragma once
#include "tests/sandbox/duration.hpp"

#include <cstdint>
#include <string>
#include <variant>

namespace troupe::sandbox {

/// What `troupe-sandbox` can be told.
struct options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8090; ///< 0: any free one.
  std::string tls_cert;
  std::string tls_key;
  bool enforce_limits = true; ///< --limits=telegram|none
  delay latency;
  bool accept_any_token = false; ///< Also makes chats at their first use.
  std::uint32_t global_rps = 0;
  std::chrono::microseconds jitter_tolerance{50'000};
  unsigned threads = 2;
  std::size_t keep_arrivals = 0;              ///< Over all bots.
  std::size_t keep_messages = 500;            ///< Per chat.
  std::size_t keep_files = 256 * 1024 * 1024; ///< Bytes, over all bots.
  std::size_t body_limit = 64 * 1024 * 1024;  ///< Bytes of one request.
};

/// What a command line asks for: to run, or to print this text.
using command = std::variant<options, std::string>;

/// Throws std::invalid_argument with a sentence for people.
[[nodiscard]] command parse_command_line(int argc, const char* const* argv);

[[nodiscard]] std::string help_text();

} // namespace troupe::sandbox

#pragma once
#include "runtime/config/settings.hpp"

#include <span>
#include <string_view>
#include <variant>

namespace troupe::config {

/// Where a setting's value lives.
using field =
  std::variant<bool*, std::size_t*, std::uint16_t*, double*, caf::timespan*, std::string*>;

/// What a text must look like.
enum class form : std::uint8_t {
  any,
  choice,     ///< One of `option::choices`.
  ip_address, ///< IPv4 or IPv6 literal.
  api_root,   ///< http(s)://host[:port][/path]
  public_url, ///< Empty, or https://host[:port][/path]
  store_uri,  ///< Empty, sqlite:PATH, or postgresql://…
  networks,   ///< Addresses and networks, separated by commas; may be empty.
  bot_ids,    ///< Bots' numbers, separated by commas; may be empty.
};

enum flag : std::uint8_t {
  live = 1,      ///< A running node takes a changed value over (SIGHUP).
  file_only = 2, ///< Never on the command line: leads to a secret.
  bytes = 4,     ///< A size: may be written with a unit ("64KiB").
};

/// One setting.
struct option {
  std::string_view file; ///< Without ".conf": also the group of the key.
  std::string_view key;
  field (*at)(settings&);
  std::string_view help;
  std::string_view unit = {}; ///< For numbers; durations and sizes have their own.
  double min = 0;             ///< Durations in nanoseconds. Ignored for texts and booleans.
  double max = 0;
  form shape = form::any;
  std::string_view choices = {}; ///< Separated by '|'.
  unsigned flags = 0;

  [[nodiscard]] bool has(flag x) const noexcept { return (flags & x) != 0; }
};

/// One file of the configuration directory.
struct file_info {
  std::string_view name; ///< Without ".conf".
  std::string_view about;
};

/// All settings, in the order in which they are shown.
[[nodiscard]] std::span<const option> schema() noexcept;
[[nodiscard]] std::span<const file_info> files() noexcept;

/// The setting called "file.key"; null if there is none.
[[nodiscard]] const option* find_option(std::string_view qualified) noexcept;

/// The existing key that looks most like `qualified`; empty if none does.
[[nodiscard]] std::string closest_key(std::string_view qualified);

/// "file.key".
[[nodiscard]] std::string qualified_name(const option& what);

} // namespace troupe::config

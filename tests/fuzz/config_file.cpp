// Configuration files: what is accepted means one thing, written back it means it again, and what is
// refused names a line, never a secret.
#include "runtime/config/file.hpp"
#include "runtime/config/networks.hpp"
#include "runtime/config/render.hpp"
#include "runtime/config/tokens.hpp"
#include "runtime/config/value.hpp"
#include "runtime/net/target.hpp"
#include "runtime/telegram/update.hpp"
#include "tests/fuzz/check.hpp"

#include <set>

using namespace troupe;

namespace {

constexpr std::size_t most_entries = 2; ///< That are looked at closely: it takes its time.

/// Sets what can be set; a value that was taken must be taken again as it is shown.
void check_entry(const config::entry& one) {
  auto said = config::shown(one.value);
  HOLDS(!fuzz::tells(said));
  auto* what = config::find_option(one.name);
  if (what == nullptr) {
    auto close = config::closest_key(one.name);
    HOLDS(close.empty() || config::find_option(close) != nullptr);
    return;
  }
  config::settings values;
  auto before = config::shown(*what, values);
  if (!config::assign(*what, values, one.value)) {
    HOLDS(config::shown(*what, values) == before);
    return;
  }
  auto written = config::render_file({what->file, "a file"}, values);
  auto again = config::parse_file(written);
  HOLDS(again.error.empty());
  if (what->shape == config::form::store_uri) // A password in it is hidden.
    return;
  config::settings second;
  for (const auto& other : again.entries) {
    auto* known = config::find_option(other.name);
    HOLDS(known != nullptr && config::assign(*known, second, other.value));
  }
  HOLDS(config::shown(*what, second) == config::shown(*what, values));
}

void check_file(std::string_view text) {
  auto parsed = config::parse_file(text);
  auto lines = std::count(text.begin(), text.end(), '\n') + 2;
  if (!parsed.error.empty()) {
    HOLDS(parsed.line >= 1 && parsed.line <= lines);
    HOLDS(parsed.entries.empty());
    HOLDS(!fuzz::tells(parsed.error));
    return;
  }
  std::set<std::string> names;
  for (const auto& one : parsed.entries) {
    HOLDS(one.line >= 1 && one.line <= lines);
    HOLDS(names.insert(one.name).second);
    if (names.size() <= most_entries)
      check_entry(one);
  }
  if (names.empty())
    return;
  auto first = parsed.entries.front().name;
  for (const auto& which : config::files())
    if (first.starts_with(which.name))
      if (auto rewritten = config::rewrite_file(which, text)) {
        auto twice = config::rewrite_file(which, *rewritten);
        HOLDS(twice && *twice == *rewritten);
      }
}

/// A value on the command line, for one of the settings.
void check_text(std::string_view text) {
  auto all = config::schema();
  const auto& what = all[telegram::content_hash(text) % all.size()];
  config::settings values;
  if (!config::assign_text(what, values, text) || what.shape == config::form::store_uri)
    return;
  auto shown = config::shown(what, values);
  auto parsed = config::parse_file("a { b = " + shown + " }");
  HOLDS(parsed.error.empty() && parsed.entries.size() == 1);
  config::settings second;
  HOLDS(config::assign(what, second, parsed.entries[0].value));
  HOLDS(config::shown(what, second) == shown);
}

void check_networks(std::string_view text) {
  if (auto all = config::parse_networks(text))
    for (const auto& one : *all) {
      HOLDS(one.bits <= 128 && one.holds(one));
      auto again = config::network::parse(one.address());
      HOLDS(again && again->bytes == one.bytes && again->is_ipv4() == one.is_ipv4());
    }
}

void check_target(std::string_view text) {
  auto parsed = net::parse_target(text);
  auto* where = std::get_if<net::target>(&parsed);
  if (where == nullptr)
    return;
  HOLDS(where->host_header.find_first_of("/@?# \r\n") == std::string::npos);
  HOLDS(where->prefix.empty() || (where->prefix.starts_with('/') && !where->prefix.ends_with('/')));
  auto written = (where->tls ? "https://" : "http://") + where->host_header + where->prefix;
  auto again = net::parse_target(written);
  HOLDS(std::holds_alternative<net::target>(again) && std::get<net::target>(again) == *where);
}

void check_tokens(std::string_view text) {
  config::bot_settings bots;
  auto problems = config::read_tokens(bots, text);
  std::set<std::string> numbers;
  for (const auto& one : bots.tokens) {
    HOLDS(config::is_token(one.reveal()));
    HOLDS(text.find(one.reveal()) != std::string_view::npos);
    HOLDS(numbers.insert(one.reveal().substr(0, one.reveal().find(':'))).second);
  }
  for (const auto& one : problems)
    HOLDS(!fuzz::tells(one));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (!fuzz::whole_tokens_only({reinterpret_cast<const char*>(data), size}))
    return 0;
  fuzz::parts input{data, size};
  auto value = input.next();
  check_text(value);
  check_networks(value);
  check_target(value);
  check_tokens(value);
  check_file(input.rest());
  return 0;
}

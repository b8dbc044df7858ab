#include "tests/sandbox/options.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <stdexcept>
#include <vector>

namespace troupe::sandbox {

namespace {

template <class T>
T number_in(std::string_view text, T from, T to) {
  T result{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty() || result < from
      || result > to)
    throw std::invalid_argument("takes a whole number from " + std::to_string(from) + " to "
                                + std::to_string(to));
  return result;
}

bool choice(std::string_view text, std::string_view yes, std::string_view no) {
  if (text != yes && text != no)
    throw std::invalid_argument("takes " + std::string{yes} + " or " + std::string{no});
  return text == yes;
}

template <class T>
T duration(std::string_view text, std::optional<T> (*parse)(std::string_view)) {
  if (auto result = parse(text))
    return *result;
  throw std::invalid_argument("takes a time like 50ms, 1.5s or 50ms±20ms");
}

struct option {
  std::string_view name;
  std::string_view argument; ///< Empty: a switch.
  std::string_view help;
  std::function<void(options&, std::string_view)> set;
};

constexpr std::size_t mebibyte = 1024 * 1024;

const std::vector<option>& all_options() {
  static const std::vector<option> table{
    {"address", "IP", "address to listen on (default 127.0.0.1)",
     [](options& o, std::string_view x) { o.address = x; }},
    {"port", "PORT", "port to listen on, 0 for any free one (default 8090)",
     [](options& o, std::string_view x) { o.port = number_in<std::uint16_t>(x, 0, 65535); }},
    {"tls-cert", "FILE", "serve HTTPS with this certificate (PEM); needs --tls-key",
     [](options& o, std::string_view x) { o.tls_cert = x; }},
    {"tls-key", "FILE", "the certificate's private key (PEM)",
     [](options& o, std::string_view x) { o.tls_key = x; }},
    {"limits", "WHICH", "telegram: refuse what Telegram would, with 429 (default); none: never",
     [](options& o, std::string_view x) { o.enforce_limits = choice(x, "telegram", "none"); }},
    {"latency", "TIME", "answer each request so much later: 50ms, or 50ms±20ms (default none)",
     [](options& o, std::string_view x) { o.latency = duration(x, &parse_delay); }},
    {"accept-any-token", "", "make an unknown bot (and its chats) at the first request",
     [](options& o, std::string_view x) {
       o.accept_any_token = x.empty() || choice(x, "true", "false");
     }},
    {"global-rps", "N", "count violations of N requests/s over all bots (never refused for it)",
     [](options& o, std::string_view x) {
       o.global_rps = number_in<std::uint32_t>(x, 0, 1'000'000);
     }},
    {"jitter-tolerance", "TIME", "arrivals so much too early are no violation (default 50ms)",
     [](options& o, std::string_view x) { o.jitter_tolerance = duration(x, &parse_duration); }},
    {"threads", "N", "threads that serve requests (default 2)",
     [](options& o, std::string_view x) { o.threads = number_in<unsigned>(x, 1, 64); }},
    {"keep-arrivals", "N", "requests whose bot and time are remembered (default 0)",
     [](options& o, std::string_view x) {
       o.keep_arrivals = number_in<std::size_t>(x, 0, 10'000'000);
     }},
    {"keep-messages", "N", "messages remembered per chat (default 500)",
     [](options& o, std::string_view x) {
       o.keep_messages = number_in<std::size_t>(x, 1, 1'000'000);
     }},
    {"keep-files", "MIB", "uploaded files remembered, in MiB (default 256)",
     [](options& o, std::string_view x) {
       o.keep_files = number_in<std::size_t>(x, 0, 65'536) * mebibyte;
     }},
    {"body-limit", "MIB", "the largest request body, in MiB (default 64)",
     [](options& o, std::string_view x) {
       o.body_limit = number_in<std::size_t>(x, 1, 4096) * mebibyte;
     }},
  };
  return table;
}

} // namespace

command parse_command_line(int argc, const char* const* argv) {
  options result;
  for (int i = 1; i < argc; ++i) {
    std::string_view word{argv[i]};
    if (word == "--help" || word == "-h")
      return help_text();
    if (word == "--version")
      return std::string{"troupe-sandbox " TROUPE_VERSION "\n"};
    auto equals = word.find('=');
    auto name = word.substr(0, equals);
    auto value = equals == std::string_view::npos ? std::string_view{} : word.substr(equals + 1);
    auto& table = all_options();
    auto known = std::find_if(table.begin(), table.end(), [&](const option& x) {
      return name.starts_with("--") && name.substr(2) == x.name;
    });
    if (known == table.end())
      throw std::invalid_argument("unknown option " + std::string{name} + "; try --help");
    if (equals == std::string_view::npos && !known->argument.empty()) {
      if (++i == argc)
        throw std::invalid_argument(std::string{name} + " needs a value");
      value = argv[i];
    }
    try {
      known->set(result, value);
    } catch (const std::invalid_argument& e) {
      throw std::invalid_argument(std::string{name} + "=" + std::string{value} + ": "
                                  + std::string{name} + " " + e.what());
    }
  }
  if (result.tls_cert.empty() != result.tls_key.empty())
    throw std::invalid_argument("--tls-cert and --tls-key go together");
  return result;
}

std::string help_text() {
  std::string out = R"(troupe-sandbox: an emulated Telegram, to run and test bots offline.

Usage: troupe-sandbox [OPTION...]

Point a client library's API root at it: it answers the Bot API under /bot<token>/ and
/file/bot<token>/, with Telegram's rules for updates, webhooks, limits and errors. Everything is kept
in memory and gone at the end. Its control API under /sandbox makes bots, users and chats, lets users
write and tap buttons, injects faults and reports what arrived.

Options:
)";
  for (auto& x : all_options()) {
    auto left = "  --" + std::string{x.name};
    if (!x.argument.empty())
      left += "=" + std::string{x.argument};
    left.resize(std::max<std::size_t>(left.size() + 1, 28), ' ');
    out += left;
    out += x.help;
    out += '\n';
  }
  out += R"(  --help, --version

Easier than Telegram, so that it works offline: webhooks may be plain HTTP and on any port, any TLS
certificate of theirs is trusted unless one was uploaded, files named by a URL are not fetched, two
pollers that fight are refused at once instead of after 3 s.

Control API (JSON in and out):
  POST   /sandbox/bots {token?, username?, first_name?}        a bot; GET lists them
  POST   /sandbox/users {first_name, username?}                a user
  POST   /sandbox/chats {type, bot, users: [id, ...]}          private, group, supergroup, channel
  POST   /sandbox/chats/ID/messages {user, text}               a user writes (photo: true, or
                                                               document: {file_name, content} too)
  GET    /sandbox/chats/ID/messages?from=bot|user              what was written
  PATCH  /sandbox/chats/ID/messages/MESSAGE {text}             the user edits it
  POST   /sandbox/chats/ID/callbacks {user, message_id, data}  a user taps a button
  GET    /sandbox/callbacks/ID                                 {answered, text, ...}
  POST   /sandbox/chats/ID/block {blocked}                     the user stops the bot (403)
  POST   /sandbox/chats/ID/migrate                             a group becomes a supergroup (400)
  POST   /sandbox/inline_queries {bot, user, query}            GET /sandbox/inline_queries/ID
  POST   /sandbox/updates {bot, update: {KIND: ...}}           any update whatever
  POST   /sandbox/faults {bot?, method?, chat?, kind, error_code?, retry_after?, latency?, count?,
                          ratio?}                              GET lists, DELETE clears
         kinds: status reset_before reset_after half_answer hang latency tls flood
  POST   /sandbox/load {bots, users, updates_per_second, seconds}   simulated users at work
  POST   /sandbox/clock {advance: "150s"}                      lets time pass at once
  GET    /sandbox/arrivals?from=N       the N-th and later: [[bot, microseconds], ...]
  GET    /sandbox/stats    GET /sandbox/violations    POST /sandbox/reset
)";
  return out;
}

} // namespace troupe::sandbox

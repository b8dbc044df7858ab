// What comes back: heads of answers, errors with a time to wait, the same from tenants' servers.
#include "runtime/net/http_head.hpp"
#include "runtime/relay/retry_after.hpp"
#include "runtime/relay/signature.hpp"
#include "runtime/telegram/errors.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/fuzz/feed.hpp"

#include <boost/json.hpp>

using namespace troupe;
namespace http = boost::beast::http;

namespace {

struct reading {
  explicit reading(bool decode) { head.decode = decode; }
  net::response_head head{16 * 1024};
  boost::beast::error_code ec;
};

void read(reading& x, std::string_view text, std::size_t step) {
  if (x.head.decode)
    x.head.eager(true);
  x.ec = fuzz::feed(x.head, text, step, [&x] {
    return x.head.decode ? x.head.is_done() : x.head.is_header_done();
  });
}

void check_head(std::string_view text, bool decode) {
  reading whole{decode};
  read(whole, text, text.size() + 1);
  reading pieces{decode};
  read(pieces, text, text.size() % 7 + 2); // Not by single bytes: README.md.
  auto& x = whole.head;
  auto& y = pieces.head;
  HOLDS(x.is_header_done() == y.is_header_done());
  if (!x.is_header_done())
    return;
  HOLDS(x.status == y.status && x.forward == y.forward && x.retry_after == y.retry_after);
  HOLDS(whole.ec || pieces.ec || x.decoded == y.decoded);
  HOLDS(x.forward.starts_with("HTTP/1.1 ") && x.forward.ends_with("\r\n"));
  HOLDS(x.forward.find("\r\n\r\n") == std::string::npos);
  http::basic_parser<false>* base = &x;
  if (decode || !base->chunked())
    HOLDS(!decode || x.forward.find("\r\nTransfer-Encoding:") == std::string::npos);
  HOLDS(!x.retry_after
        || (x.retry_after->count() >= 0 && *x.retry_after <= telegram::longest_retry_after));
}

void check_waits(std::string_view text) {
  if (auto wait = telegram::retry_after_of_body(text)) {
    HOLDS(wait->count() >= 0 && *wait <= telegram::longest_retry_after);
    boost::system::error_code ec;
    auto all = boost::json::parse(text, ec);
    HOLDS(ec || all.is_object());
  }
  if (auto wait = telegram::retry_after_of_header(text))
    HOLDS(wait->count() >= 0 && *wait <= telegram::longest_retry_after);
  constexpr std::int64_t now = 1'700'000'000;
  if (auto wait = relay::read_retry_after(text, now)) {
    HOLDS(wait->count() >= 0);
    auto later = relay::read_retry_after(text, now + 1);
    HOLDS(later && (*later == *wait || later->count() + 1 == wait->count()));
  }
  if (auto time = net::parse_duration(text))
    HOLDS(time->count() >= 0 && *time <= std::chrono::minutes{86400});
}

/// An error that is written is read again, whatever its words.
void check_error(std::string_view words) {
  telegram::api_error error;
  error.code = 429;
  error.description = words;
  error.retry_after = std::chrono::seconds{words.size() + 1};
  auto json = telegram::to_json(error);
  HOLDS(json.find('\n') == std::string::npos);
  boost::system::error_code ec;
  auto all = boost::json::parse(json, ec);
  if (!ec) {
    HOLDS(all.at("description").as_string() == boost::json::string_view(words.data(), words.size()));
    HOLDS(telegram::retry_after_of_body(json) == error.retry_after);
  }
  auto signed_by = [&](std::string_view key) { return relay::signature(key, 1, words); };
  HOLDS(signed_by("a") == signed_by("a") && signed_by("a") != signed_by("b"));
  HOLDS(signed_by("a").size() == std::string_view{"t=1,v1="}.size() + 64);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::parts input{data, size};
  auto words = input.next();
  check_waits(words);
  check_error(words);
  auto rest = input.rest();
  check_head(rest, false);
  check_head(rest, true);
  return 0;
}

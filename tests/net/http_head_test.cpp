#define CAF_SUITE net_http_head
#include "runtime/net/http_head.hpp"
#include "runtime/net/http_server_parser.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

#include <caf/test/bdd_dsl.hpp>

namespace troupe::http_head_suite {

using namespace troupe::net;
using namespace std::literals;

namespace {

using error_code = boost::beast::error_code;

struct fed {
  error_code ec;        ///< What went wrong, if anything did.
  std::size_t used = 0; ///< Bytes that the parser took.
};

/// Feeds `text` in pieces of `step` bytes, as a connection would, until the message is done.
template <class Parser>
fed feed(Parser& parser, std::string_view text, std::size_t step = std::string_view::npos) {
  fed result;
  std::string buffer;
  while (!text.empty()) {
    auto piece = text.substr(0, step);
    text.remove_prefix(piece.size());
    buffer.append(piece);
    while (!buffer.empty()) {
      auto n = parser.put(boost::asio::buffer(buffer), result.ec);
      buffer.erase(0, n);
      result.used += n;
      if (result.ec == http::error::need_more) {
        result.ec = {};
        break;
      }
      if (result.ec || parser.is_done())
        return result;
      if (n == 0)
        break;
    }
  }
  return result;
}

struct fixture {
  request_head make(std::uint32_t limit = default_head_limit, std::string_view prefix = {}) {
    request_head result{"api.test", prefix, limit};
    result.eager(true);
    result.keep_body = 1000;
    return result;
  }

  /// The head sent on for `text`.
  std::string forwarded(std::string_view text, std::string_view prefix = {}) {
    auto head = make(default_head_limit, prefix);
    auto how = feed(head, text);
    return how.ec ? how.ec.message() : head.forward;
  }

  error_code error_of(std::string_view text, std::uint32_t limit = default_head_limit) {
    auto head = make(limit);
    return feed(head, text).ec;
  }
};

} // namespace

BEGIN_FIXTURE_SCOPE(fixture)

SCENARIO("a head is sent on byte for byte but for its host") {
  CHECK_EQ(forwarded("GET /bot1:a/getMe?x=%20+y HTTP/1.1\r\nHost: localhost:8081\r\n"
                     "user-AGENT: python/3.11 \r\nAccept: */*\r\nX-Odd:  two  blanks\r\n\r\n"),
           "GET /bot1:a/getMe?x=%20+y HTTP/1.1\r\nHost: api.test\r\n"
           "user-AGENT: python/3.11\r\nAccept: */*\r\nX-Odd: two  blanks\r\n\r\n"s);
  CHECK_EQ(forwarded("POST /bot1:a/sendMessage HTTP/1.1\r\nContent-Length: 2\r\nHost: x\r\n"
                     "Content-Type: application/json\r\n\r\n{}"),
           "POST /bot1:a/sendMessage HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n"
           "Content-Type: application/json\r\n\r\n"s);
}

SCENARIO("the upstream's prefix goes before the path") {
  CHECK_EQ(forwarded("GET /bot1:a/getMe HTTP/1.1\r\nHost: x\r\n\r\n", "/tg/api"),
           "GET /tg/api/bot1:a/getMe HTTP/1.1\r\nHost: api.test\r\n\r\n"s);
}

SCENARIO("a server that the target names is not sent on") {
  for (auto [target, path] :
       {std::pair{"http://localhost:8081/bot1:a/getMe?x=http://y/", "/bot1:a/getMe?x=http://y/"},
        {"HTTPS://u@[::1]/a//b", "/a//b"},
        {"http://host?a=/", "?a=/"},
        {"http://host", "/"},
        {"ftp://host/a", "ftp://host/a"},
        {"/http://host/a", "/http://host/a"}}) {
    auto head = make(default_head_limit, "/tg");
    CHECK(!feed(head, "GET " + std::string{target} + " HTTP/1.1\r\nHost: x\r\n\r\n").ec);
    CHECK_EQ(head.target, path);
    CHECK_EQ(head.forward, "GET /tg" + std::string{path} + " HTTP/1.1\r\nHost: api.test\r\n\r\n");
  }
}

SCENARIO("an old client's request goes on as HTTP/1.1") {
  auto head = make();
  CHECK(!feed(head, "GET / HTTP/1.0\r\n\r\n"sv).ec);
  CHECK_EQ(head.version, 10);
  CHECK(!head.keep_alive());
  CHECK_EQ(head.forward, "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"s);
}

SCENARIO("fields of one hop stay here") {
  CHECK_EQ(forwarded("GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n"
                     "Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: trailers\r\n"
                     "Proxy-Authorization: Basic abc\r\nUpgrade: h2c\r\nTrailer: X-Sum\r\n"
                     "Accept: a\r\n\r\n"),
           "GET / HTTP/1.1\r\nHost: api.test\r\nAccept: a\r\n\r\n"s);
}

SCENARIO("fields that Connection names stay here, wherever they stand") {
  CHECK_EQ(forwarded("GET / HTTP/1.1\r\nX-Before: 1\r\nHost: x\r\n"
                     "Connection: close, x-before , X-AFTER\r\nX-After: 2\r\nX-After: 3\r\n"
                     "X-Afterwards: 4\r\n\r\n"),
           "GET / HTTP/1.1\r\nHost: api.test\r\nX-Afterwards: 4\r\n\r\n"s);
}

SCENARIO("Connection cannot take away what delimits or routes the message") {
  // Otherwise the upstream would read the body as the next request on a shared connection.
  CHECK_EQ(forwarded("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                     "Connection: content-length, host, transfer-encoding, content-type\r\n"
                     "Content-Type: a/b\r\n\r\n{}"),
           "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\n"s);
  CHECK_EQ(forwarded("POST / HTTP/1.1\r\nHost: x\r\nConnection: Transfer-Encoding\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
           "POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n"s);
}

SCENARIO("bodies whose length two readers could disagree on are refused") {
  auto post = "POST / HTTP/1.1\r\nHost: x\r\n"s;
  CHECK(error_of(post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"));
  CHECK(error_of(post + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}"));
  CHECK(error_of(post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}}"));
  CHECK(error_of(post + "Content-Length: -2\r\n\r\n{}"));
  CHECK(error_of(post + "Content-Length: 2x\r\n\r\n{}"));
  CHECK(error_of(post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"));
  CHECK(error_of(post + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"));
  CHECK(error_of(post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"));
  CHECK(error_of(post + "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"));
  CHECK(error_of(post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"));
  CHECK(!error_of(post + "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"));
}

SCENARIO("Troupe's own fields are read and stay here") {
  auto head = make();
  CHECK(!feed(head, "GET / HTTP/1.1\r\nHost: x\r\nX-Troupe-Deadline: 1500ms\r\n"
                    "x-troupe-retry: ALWAYS\r\nIdempotency-Key: k-1\r\nExpect: 100-Continue\r\n"
                    "X-Troupe-Future: 1\r\nX-Troupe-Crash: bot\r\nX-Troupes: stays\r\n\r\n"sv)
           .ec);
  CHECK_EQ(head.forward, "GET / HTTP/1.1\r\nHost: api.test\r\nX-Troupes: stays\r\n\r\n"s);
  CHECK(head.deadline == 1500ms);
  CHECK(!head.bad_deadline);
  CHECK(head.retry_asked);
  CHECK(head.expects_continue);
  CHECK_EQ(head.idempotency_key, "k-1"s);
  CHECK_EQ(head.crash, "bot"s);
}

SCENARIO("a token is replaced in the path, however its colon came, and nowhere else") {
  auto replaced = [&](std::string_view target, bool expected = true) {
    auto head = make();
    feed(head, "GET " + std::string{target} + " HTTP/1.1\r\nHost: a\r\nX: 1:aa\r\n\r\n");
    CHECK_EQ(head.replace_token("1:aa", "1:bbbb"), expected);
    CHECK_EQ(head.target, target); // What was parsed from it still points into it.
    CHECK_NE(head.forward.find("X: 1:aa\r\n"), std::string::npos);
    return head.forward.substr(4, head.forward.find(" HTTP/") - 4);
  };
  CHECK_EQ(replaced("/bot1:aa/getMe?x=1:aa"), "/bot1:bbbb/getMe?x=1:aa");
  CHECK_EQ(replaced("/bot1%3Aaa/getMe"), "/bot1:bbbb/getMe");
  CHECK_EQ(replaced("/file/bot1%3aaa/x/y"), "/file/bot1:bbbb/x/y");
  CHECK_EQ(replaced("/bot2:aa/getMe?x=1:aa", false), "/bot2:aa/getMe?x=1:aa");
  // Where the token names the bot, not where a method's name repeats it.
  CHECK_EQ(replaced("/bot1%3Aaa/get1:aa"), "/bot1:bbbb/get1:aa");
  CHECK_EQ(replaced("/%62ot1:aa/1%3Aaa"), "/%62ot1:bbbb/1%3Aaa");
  CHECK_EQ(replaced("/bot%31:aa/1:aa", false), "/bot%31:aa/1:aa");
}

SCENARIO(
  "a method that came as a parameter is sent on in the path, where no other one precedes it") {
  for (auto [target, expected] : {std::pair{"/bot1:aa/?method=logOut&method=getMe",
                                            "/bot1:aa/getMe?method=logOut&method=getMe"},
                                  {"/bot1:aa", "/bot1:aa/getMe"},
                                  {"/bot1:aa//", "/bot1:aa/getMe"},
                                  {"/bot1:aa%2f/%2F", "/bot1:aa/getMe"},
                                  {"/bot1%3Aaa/test/?a=/", "/bot1%3Aaa/test/getMe?a=/"},
                                  {"/bot1:aa#?method=getMe", "/bot1:aa/getMe#?method=getMe"},
                                  {"/bot1:aa/#/", "/bot1:aa/getMe#/"}}) {
    for (auto prefix : {"", "/api"}) {
      auto head = make(default_head_limit, prefix);
      feed(head, "POST " + std::string{target} + " HTTP/1.1\r\nX: /bot1:aa/\r\n\r\n");
      head.name_method("getMe");
      CHECK_EQ(head.forward, "POST " + std::string{prefix} + expected
                               + " HTTP/1.1\r\nHost: api.test\r\nX: /bot1:aa/\r\n\r\n");
    }
  }
}

SCENARIO("an Idempotency-Key is read, or is noticed to be none") {
  auto with = [&](std::string value) {
    auto head = make();
    feed(head, "GET /a HTTP/1.1\r\nHost: a\r\nIdempotency-Key: " + value + "\r\n\r\n");
    CHECK_EQ(head.forward.find("Idempotency"), std::string::npos);
    return std::pair{head.idempotency_key.size(), head.bad_idempotency_key};
  };
  CHECK(with("abc") == std::pair(std::size_t{3}, false));
  CHECK(with(std::string(256, 'x')) == std::pair(std::size_t{256}, false));
  CHECK(with(std::string(257, 'x')) == std::pair(std::size_t{0}, true));
  CHECK(with("") == std::pair(std::size_t{0}, true));
}

SCENARIO("a deadline that is none is noticed") {
  auto head = make();
  CHECK(!feed(head, "GET / HTTP/1.1\r\nHost: x\r\nX-Troupe-Deadline: soon\r\n\r\n"sv).ec);
  CHECK(head.bad_deadline);
  CHECK(!head.deadline);
}

SCENARIO("a head has a limit") {
  auto request = "GET /" + std::string(2000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n";
  CHECK(!error_of(request, 4096));
  CHECK_EQ(error_of(request, 1024), error_code(http::error::header_limit));
  auto fields = "GET / HTTP/1.1\r\n"s;
  for (int i = 0; i < 100; ++i)
    fields += "X-" + std::to_string(i) + ": abcdefghij\r\n";
  CHECK_EQ(error_of(fields + "\r\n", 1024), error_code(http::error::header_limit));
  // Also before its end is there: a client must not fill the memory with an endless line.
  CHECK_EQ(error_of("GET /" + std::string(5000, 'a'), 1024), error_code(http::error::header_limit));
}

SCENARIO("what is no HTTP is refused") {
  CHECK(error_of("\x16\x03\x01\x02\r\n\r\n"sv));
  CHECK(error_of("GET\r\n\r\n"));
  CHECK(error_of("GET / HTTP/2.0\r\n\r\n"));
  CHECK(error_of("GET / HTTP/1.1\r\nno colon\r\n\r\n"));
  CHECK(error_of("GET / HTTP/1.1\r\nbad name: 1\r\n\r\n"));
  CHECK(error_of("GET / HTTP/1.1\r\nX: a\x01z\r\n\r\n"));
  CHECK(error_of("GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n"));
}

SCENARIO("a request fed in pieces of any size gives the same result") {
  auto request = "POST /bot1:a/sendMessage?b=1 HTTP/1.1\r\nX-Gone: 1\r\nHost: x\r\n"
                 "Connection: x-gone\r\nContent-Type: application/json\r\n"
                 "Transfer-Encoding: chunked\r\nX-Troupe-Deadline: 5s\r\n\r\n"
                 "5;ext=1\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\nTrailer: 1\r\n\r\n"s;
  auto reference = make();
  auto all = feed(reference, request + "GET /next HTTP/1.1\r\n\r\n");
  CHECK(!all.ec);
  CHECK_EQ(all.used, request.size());
  CHECK_EQ(reference.body, "hello, world"s);
  CHECK_EQ(reference.chunks, "5\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\n\r\n"s);
  for (std::size_t step = 1; step <= request.size(); ++step) {
    auto head = make();
    auto how = feed(head, request + "GET /next HTTP/1.1\r\n\r\n", step);
    CAF_MESSAGE("step " << step);
    CHECK(!how.ec);
    CHECK(head.is_done());
    CHECK_EQ(how.used, request.size());
    CHECK_EQ(head.forward, reference.forward);
    CHECK_EQ(head.body, reference.body);
    CHECK_EQ(head.chunks, reference.chunks);
    CHECK(head.deadline == 5s);
  }
}

SCENARIO("pipelined requests are taken one by one") {
  auto first = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"s;
  auto second = "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"s;
  auto text = first + second;
  auto one = make();
  auto used = feed(one, text).used;
  CHECK_EQ(used, first.size());
  CHECK_EQ(one.target, "/1"s);
  auto two = make();
  CHECK_EQ(feed(two, std::string_view{text}.substr(used)).used, second.size());
  CHECK_EQ(two.target, "/2"s);
  CHECK_EQ(two.body, "abc"s);
}

SCENARIO("trailers change nothing of a head that was read") {
  auto head = make();
  CHECK(!feed(head, "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Type: b\r\n"
                    "Content-Encoding: gzip\r\nX-Troupe-Deadline: 1s\r\nIdempotency-Key: k\r\n"
                    "Expect: 100-continue\r\nX-Other: 1\r\n\r\n"sv)
           .ec);
  CHECK(head.is_done());
  CHECK_EQ(head.content_type, "text/plain"s);
  CHECK_EQ(head.content_encoding, ""s);
  CHECK_EQ(head.idempotency_key, ""s);
  CHECK(!head.deadline);
  CHECK(!head.expects_continue);
  CHECK_EQ(head.forward.find("X-Other"), std::string::npos);

  response_head answer;
  answer.eager(true);
  CHECK(!feed(answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
                      "Retry-After: 5\r\nX-Other: 1\r\n\r\n"sv)
           .ec);
  CHECK(answer.is_done());
  CHECK(!answer.retry_after);
  CHECK_EQ(answer.forward.find("X-Other"), std::string::npos);
}

SCENARIO("a request for the API has its views, whatever trailers follow its body") {
  for (std::size_t step : {std::size_t{1}, std::size_t{7}, std::string_view::npos}) {
    http_message message;
    http_request_parser parser{message};
    parser.eager(true);
    auto text = "PUT /v1/bots/1 HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n"
                "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Encoding: gzip\r\n"
                "X-Long: "
                + std::string(2000, 'x') + "\r\n\r\n";
    CHECK(!feed(parser, text, step).ec);
    CHECK(parser.is_done());
    CHECK_EQ(message.method, "PUT"sv);
    CHECK_EQ(message.target, "/v1/bots/1"sv);
    CHECK_EQ(message.body, "{}"s);
    CHECK(!message.encoded);
    CHECK_EQ(message.headers.size(), 3u);
    for (auto& [name, value] : message.headers) { // All point into the head.
      CHECK(name.data() >= message.head.data());
      CHECK(value.data() + value.size() <= message.head.data() + message.head.size());
    }
  }
}

SCENARIO("of a chunked body as much is kept as was asked for") {
  auto head = make();
  head.keep_body = 7;
  CHECK(!feed(head, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "5\r\nabcde\r\n5\r\nfghij\r\n0\r\n\r\n"sv)
           .ec);
  CHECK_EQ(head.body, "abcdefg"s);
  for (auto size : {"FFFFFFFF", "FFFFFFFFFFFFFFFF"}) // As long as no body is; not waited for.
    CHECK_EQ(error_of("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"s + size
                      + "\r\nx"),
             error_code(http::error::body_limit));
  CHECK(!error_of("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFE\r\nx"));
  CHECK(error_of("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"));
}

SCENARIO("texts are handed over empty, with their memory") {
  head_texts memory;
  memory.target = std::string(500, 'x');
  memory.forward = "old";
  auto head = make();
  head.swap_texts(memory);
  CHECK(head.target.empty());
  CHECK(head.forward.empty());
  CHECK_GE(head.target.capacity(), 500u);
  CHECK(!feed(head, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"sv).ec);
  CHECK_EQ(head.target, "/a"s);
}

SCENARIO("a response's head loses the hop's fields and keeps the rest") {
  response_head head;
  head.eager(true);
  CHECK(!feed(head, "HTTP/1.1 200 OK\r\nServer: nginx/1.18.0\r\nConnection: keep-alive\r\n"
                    "Keep-Alive: timeout=60\r\ncontent-type: application/json\r\n"
                    "Content-Length: 2\r\nX-Unknown: 1\r\n\r\n{}"sv)
           .ec);
  CHECK_EQ(head.status, 200u);
  CHECK_EQ(head.forward, "HTTP/1.1 200 OK\r\nServer: nginx/1.18.0\r\n"
                         "content-type: application/json\r\nContent-Length: 2\r\n"
                         "X-Unknown: 1\r\n"s);
  CHECK(!head.retry_after);
  CHECK(head.keep_alive());
}

SCENARIO("a response's status and wait are read") {
  response_head flood;
  CHECK(!feed(flood, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n"
                     "Content-Length: 0\r\n\r\n"sv)
           .ec);
  CHECK_EQ(flood.status, 429u);
  CHECK(flood.retry_after == 7s);
  response_head dated;
  CHECK(!feed(dated, "HTTP/1.1 503 Away\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"
                     "Content-Length: 0\r\n\r\n"sv)
           .ec);
  CHECK(!dated.retry_after);
  CHECK_EQ(dated.forward.substr(0, 19), "HTTP/1.1 503 Away\r\n"s);
}

SCENARIO("an interim response is done with its head") {
  auto text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"sv;
  response_head interim;
  auto first = feed(interim, text);
  CHECK_EQ(interim.status, 100u);
  CHECK(interim.is_header_done());
  response_head final;
  CHECK(!feed(final, text.substr(first.used)).ec);
  CHECK_EQ(final.status, 200u);
}

SCENARIO("a chunked response is decoded for clients that know no chunks") {
  auto text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
              "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"sv;
  for (std::size_t step : {std::size_t{1}, std::size_t{3}, text.size()}) {
    response_head head;
    head.eager(true);
    head.decode = true;
    CHECK(!feed(head, text, step).ec);
    CHECK(head.is_done());
    CHECK_EQ(head.decoded, "abcde"s);
    CHECK_EQ(head.forward, "HTTP/1.1 200 OK\r\n"s);
  }
}

END_FIXTURE_SCOPE()

SCENARIO("durations are read") {
  CHECK(parse_duration("5s") == 5000ms);
  CHECK(parse_duration("1500ms") == 1500ms);
  CHECK(parse_duration("2m") == 120'000ms);
  CHECK(parse_duration("3") == 3000ms);
  CHECK(parse_duration(" 0.5s ") == 500ms);
  CHECK(parse_duration("0") == 0ms);
  CHECK(parse_duration("86400") == 86'400'000ms);
  for (auto bad :
       {"", " ", "s", "-1s", "5 s", "5h", "5sx", "nan", "inf", "1e9", "0x10", "+5", "--"})
    CHECK_EQ(parse_duration(bad).has_value(), false);
}

} // namespace troupe::http_head_suite

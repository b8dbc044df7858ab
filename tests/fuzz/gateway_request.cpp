// A request's head as the gateway reads it: what is sent on is what was understood, and nothing of
// the node's own; the target leads to one token and one method.
#include "actors/gateway/answers.hpp"
#include "actors/gateway/route.hpp"
#include "runtime/log/mask.hpp"
#include "runtime/net/http_head.hpp"
#include "runtime/telegram/token.hpp"
#include "tests/fuzz/check.hpp"
#include "tests/fuzz/feed.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

using namespace troupe;
namespace http = boost::beast::http;

namespace {

constexpr std::string_view upstream = "upstream.example";
constexpr std::string_view prefix = "/prefix";
const std::string own = "987654321:" + std::string(35, 'Q');

struct reading {
  net::request_head head{upstream, prefix, 16 * 1024};
  boost::beast::error_code ec;
};

/// Feeds the head in pieces of `step` bytes, as sockets do; what the parser leaves comes again.
void read(reading& x, std::string_view text, std::size_t step) {
  x.ec = fuzz::feed(x.head, text, step, [&x] { return x.head.is_header_done(); });
}

bool same(const reading& a, const reading& b) {
  const auto& x = a.head;
  const auto& y = b.head;
  return x.is_header_done() == y.is_header_done()
         && (!x.is_header_done()
             || (x.method == y.method && x.target == y.target && x.forward == y.forward
                 && x.content_type == y.content_type && x.deadline == y.deadline
                 && x.idempotency_key == y.idempotency_key));
}

/// What is sent on must mean to the upstream what it means here.
void check_forward(const net::request_head& head) {
  const auto& text = head.forward;
  HOLDS(text.ends_with("\r\n\r\n") && text.find("\r\n\r\n") == text.size() - 4);
  http::request_parser<http::empty_body> theirs;
  theirs.header_limit(64 * 1024);
  theirs.body_limit(boost::none);
  boost::beast::error_code ec;
  theirs.put(boost::asio::buffer(text), ec);
  HOLDS(theirs.is_header_done());
  const auto& got = theirs.get();
  HOLDS(got.version() == 11);
  HOLDS(got.method_string() == head.method);
  HOLDS(got.target() == std::string{prefix} + head.target);
  HOLDS(theirs.chunked() == head.chunked());
  auto their_length = theirs.content_length();
  auto our_length = head.content_length();
  HOLDS(their_length.has_value() == our_length.has_value());
  HOLDS(!their_length || *their_length == *our_length);
  HOLDS(got.count(http::field::host) == 1 && got[http::field::host] == upstream);
  for (const auto& field : got) {
    std::string_view name{field.name_string().data(), field.name_string().size()};
    HOLDS(!net::is_hop_by_hop(field.name(), name));
    HOLDS(!boost::beast::iequals(name, "Idempotency-Key"));
    HOLDS(field.name() != http::field::expect);
  }
}

/// A chunked body goes on with the same content, and ends for the upstream where it ends here.
void check_chunks(std::string_view text, std::size_t step) {
  reading whole;
  whole.head.eager(true);
  whole.head.body_limit(boost::none);
  whole.head.keep_body = text.size();
  whole.ec = fuzz::feed(whole.head, text, step, [&whole] { return whole.head.is_done(); });
  if (!whole.head.is_done() || !whole.head.chunked())
    return;
  auto sent = whole.head.forward + whole.head.chunks;
  http::request_parser<http::string_body> theirs;
  theirs.eager(true);
  theirs.header_limit(64 * 1024);
  theirs.body_limit(boost::none);
  boost::beast::error_code ec;
  auto used = theirs.put(boost::asio::buffer(sent), ec);
  HOLDS(theirs.is_done() && used == sent.size());
  HOLDS(theirs.get().body() == whole.head.body);
  HOLDS(sent.ends_with("0\r\n\r\n"));
}

void check_route(net::request_head& head) {
  auto where = gateway::parse_route(head.target);
  HOLDS(where.query.empty()
        || (where.query.data() >= head.target.data()
            && where.query.data() + where.query.size() <= head.target.data() + head.target.size()));
  HOLDS(where.token.find('/') == std::string::npos);
  HOLDS(where.kind == gateway::route_kind::method || where.method.empty());
  auto token = telegram::bot_token::parse(where.token);
  if (!token)
    return;
  HOLDS(token->reveal() == where.token);
  HOLDS(to_string(*token) == std::to_string(token->id()) + ":***");
  if (fuzz::whole_tokens_only(head.target))
    HOLDS(!fuzz::tells(log::mask_tokens(head.target)));
  // A method that is sent on in the path is the upstream's, whatever the query says.
  std::string named;
  if (where.kind == gateway::route_kind::method && where.method.empty()) {
    head.name_method("getMe");
    named = head.forward.substr(head.method.size() + 1 + prefix.size());
    named.resize(named.find(' '));
    where = gateway::parse_route(named);
    HOLDS(where.method == "getMe" && where.token == token->reveal());
  }
  // In the place of a virtual token the upstream must find the bot's own, and nowhere else.
  auto before = head.forward;
  if (!head.replace_token(where.token, own)) {
    HOLDS(head.forward == before);
    return;
  }
  auto line = std::string_view{head.forward}.substr(head.method.size() + 1 + prefix.size());
  auto there = gateway::parse_route(line.substr(0, line.find(' ')));
  HOLDS(there.token == own);
  HOLDS(there.kind == where.kind && there.method == where.method && there.query == where.query);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  reading whole;
  read(whole, text, size + 1);
  reading pieces;
  read(pieces, text, size % 7 + 1);
  HOLDS(same(whole, pieces));
  auto& head = whole.head;
  if (!head.is_header_done())
    return 0;
  HOLDS(!head.deadline || head.deadline->count() >= 0);
  HOLDS(head.idempotency_key.size() <= 256);
  check_forward(head);
  check_chunks(text, size + 1);
  check_chunks(text, size % 7 + 1);
  check_route(head);
  // Whatever the client sent, a refusal is one well-formed answer with a fixed text.
  auto words = gateway::explain(400, "Bad Request: " + head.crash);
  HOLDS(words.body.find('\n') == std::string::npos);
  return 0;
}

#include "runtime/net/http_server_session.hpp"

#include "runtime/telegram/errors.hpp"

#include <boost/beast/http/error.hpp>

#include <charconv>

namespace troupe::net {

namespace {

namespace http = boost::beast::http;
using error_code = boost::system::error_code;

void append_number(std::string& out, std::size_t number) {
  char digits[20];
  auto end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  out.append(digits, end);
}

} // namespace

http_session::http_session(http_shard& shard)
  : shard_(shard), place_(shard.sessions.insert(shard.sessions.end(), this)) {
  shard_.opened.fetch_add(1, std::memory_order_relaxed);
  shard_.open.fetch_add(1, std::memory_order_relaxed);
}

http_session::~http_session() {
  shard_.sessions.erase(place_);
  shard_.open.fetch_sub(1, std::memory_order_relaxed);
}

void http_session::begin_request() {
  message_.clear();
  parser_.emplace(message_);
  parser_->eager(true);
  parser_->header_limit(static_cast<std::uint32_t>(shard_.config->head_limit));
  parser_->body_limit(shard_.config->body_limit);
  between_ = true;
  head_seen_ = false;
}

http_session::progress http_session::parse() {
  while (!parser_->is_done()) {
    if (buffer_.size() == 0)
      return progress::more;
    error_code ec;
    auto used = parser_->put(buffer_.cdata(), ec);
    buffer_.consume(used);
    between_ = false;
    if (ec == http::error::need_more) {
      // Between chunks and behind the last one the parser sets no limit.
      if (!parser_->is_header_done() || buffer_.size() <= shard_.config->head_limit)
        return progress::more;
      ec = http::error::body_limit;
    }
    if (ec == http::error::body_limit) {
      refuse(413, "Request Entity Too Large");
      return progress::failed;
    }
    if (ec == http::error::header_limit) {
      refuse(431, "Request Header Fields Too Large");
      return progress::failed;
    }
    if (ec) {
      refuse(400, "Bad Request: malformed HTTP");
      return progress::failed;
    }
  }
  keep_ = parser_->keep_alive() && !shard_.stopping;
  return decode() ? progress::whole : progress::failed;
}

bool http_session::decode() {
  if (!message_.encoded)
    return true;
  std::string decoded;
  if (http_inflate(message_.body, shard_.config->body_limit, decoded)) {
    message_.body = std::move(decoded);
    return true;
  }
  refuse(400, "Bad Request: can't decode the body (gzip or deflate expected)");
  return false;
}

void http_session::refuse(int status, std::string_view why) {
  keep_ = false;
  response_ = {};
  response_.status = status;
  if (shard_.config->refuse)
    shard_.config->refuse(status, response_);
  else
    response_.body = telegram::to_json({.code = status, .description = std::string{why}});
  append_response();
}

bool http_session::refused_early() {
  head_seen_ = true;
  if (!shard_.config->refuse_early)
    return false;
  begin_answer();
  if (!shard_.config->refuse_early(request_, response_))
    return false;
  keep_ = false;
  append_response();
  return true;
}

http_pending http_session::call_handler() {
  auto requests = shard_.requests.load(std::memory_order_relaxed);
  shard_.requests.store(requests + 1, std::memory_order_relaxed);
  begin_answer();
  return (*shard_.handler)(request_, response_);
}

/// The request as handlers see it, and an empty response.
void http_session::begin_answer() {
  request_.method = message_.method;
  request_.target = message_.target;
  request_.body = message_.body;
  request_.headers = message_.headers;
  request_.arrived = clock::now();
  request_.thread = shard_.index;
  request_.io = shard_.io;
  if (peer_.empty()) {
    error_code ignored;
    auto other_end = socket().remote_endpoint(ignored);
    peer_ = ignored ? "unknown" : other_end.address().to_string();
  }
  request_.peer = peer_;
  response_.status = 200;
  response_.content_type = "application/json";
  response_.headers.clear();
  response_.body.clear();
  response_.ending = http_ending::keep;
  response_.stream = nullptr;
}

void http_session::append_response() {
  auto& r = response_;
  if (r.ending == http_ending::reset)
    return;
  if (r.ending != http_ending::keep || r.stream)
    keep_ = false;
  if (r.status == 200) {
    out_ += "HTTP/1.1 200 OK\r\nServer: ";
  } else {
    out_ += "HTTP/1.1 ";
    append_number(out_, static_cast<std::size_t>(r.status));
    out_ += ' ';
    out_ += http_reason(r.status);
    out_ += "\r\nServer: ";
  }
  out_ += shard_.config->server_name;
  if (!r.content_type.empty()) {
    out_ += "\r\nContent-Type: ";
    out_ += r.content_type;
  }
  bool has_body = r.status != 204 && r.status != 304;
  if (r.stream) {
    out_ += "\r\nTransfer-Encoding: chunked";
  } else if (has_body) {
    out_ += "\r\nContent-Length: ";
    append_number(out_, r.body.size());
  }
  out_ += keep_ ? "\r\nConnection: keep-alive\r\n" : "\r\nConnection: close\r\n";
  out_ += r.headers;
  out_ += "\r\n";
  if (!has_body || r.stream || message_.method == "HEAD")
    return;
  std::string_view body{r.body};
  out_ += r.ending == http_ending::half ? body.substr(0, body.size() / 2) : body;
}

void http_session::finish() {
  keep_ = false;
  if (between_)
    abort();
  else if (streaming_)
    client_gone();
}

void http_session::abort() {
  error_code ignored;
  socket().close(ignored);
}

} // namespace troupe::net

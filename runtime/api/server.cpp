#include "runtime/api/server.hpp"

#include "runtime/api/routes.hpp"

#include <boost/asio/this_coro.hpp>

namespace troupe::api {
namespace {

net::http_task<void> serve(std::shared_ptr<context> ctx, const net::http_request& from,
                           net::http_response& to) {
  auto io = co_await boost::asio::this_coro::executor;
  auto id = request_id_from(from.header("X-Request-Id"));
  request what{from.method, from.path(), from.query(), id, io, from.body, from.headers, from.peer};
  auto answer = co_await handle(std::move(ctx), what);
  to.status = answer.status;
  to.content_type = answer.status == 204 ? std::string_view{} : answer.content_type;
  to.headers = std::move(answer.headers);
  to.body = std::move(answer.body);
  to.stream = std::move(answer.stream);
}

const error_text& text_for(int status) {
  switch (status) {
  case 413:
    return text_of(api_error::body_too_large);
  case 431:
    return text_of(api_error::head_too_large);
  case 400:
    return text_of(api_error::malformed_http);
  default:
    return text_of(api_error::internal);
  }
}

} // namespace

net::http_handler make_handler(ports from) {
  return [ctx = make_context(std::move(from))](const net::http_request& what,
                                               net::http_response& answer) -> net::http_pending {
    return serve(ctx, what, answer);
  };
}

void configure(net::http_server_config& to) {
  to.body_limit = largest_body;
  to.refuse = [](int status, net::http_response& answer) {
    auto id = request_id_from({});
    auto text = problem(text_for(status), id);
    answer.content_type = text.content_type;
    answer.headers = "Cache-Control: no-store\r\nX-Request-Id: " + id + "\r\n";
    answer.body = std::move(text.body);
  };
}

} // namespace troupe::api

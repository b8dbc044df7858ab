#include "runtime/api/server.hpp"
#include "runtime/api/routes.hpp"

#include <boost/asio/this_coro.hpp>

namespace troupe::api {
namespace {

net::http_task<void> serve(std::shared_ptr<context> ctx, const net::http_request& from,
                           net::http_response& to) {
  auto io = co_await boost::asio::this_coro::executor;
  auto id = request_id_from(from.header("X-Request-Id"));
  auto answer =
    co_await handle(std::move(ctx), request{from.method, from.path(), from.query(), id, io});
  to.status = answer.status;
  to.content_type = answer.content_type;
  to.headers = std::move(answer.headers);
  to.body = std::move(answer.body);
}

} // namespace

net::http_handler make_handler(ports from) {
  return [ctx = make_context(std::move(from))](const net::http_request& what,
                                               net::http_response& answer) -> net::http_pending {
    return serve(ctx, what, answer);
  };
}

} // namespace troupe::api

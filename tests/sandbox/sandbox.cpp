#include "tests/sandbox/sandbox.hpp"

#include "tests/sandbox/load.hpp"
#include "tests/sandbox/routes.hpp"
#include "tests/sandbox/updates.hpp"
#include "tests/sandbox/webhook.hpp"

namespace troupe::sandbox {

namespace {

net::http_server_config http_config(const options& opts, world& w) {
  net::http_server_config result;
  result.address = opts.address;
  result.port = opts.port;
  result.threads = opts.threads;
  result.tls_cert = opts.tls_cert;
  result.tls_key = opts.tls_key;
  result.body_limit = opts.body_limit;
  result.server_name = "nginx/1.18.0"; // What api.telegram.org says.
  result.accept_filter = [&w] { return !w.faults.hit_handshake(); };
  return result;
}

constexpr std::string_view front_page =
  "troupe-sandbox: an emulated Telegram. Bot API under /bot<token>/, files under "
  "/file/bot<token>/, control under /sandbox/. See troupe-sandbox --help.\n";

// The official server takes these verbs (td, HttpReader::parse_head), whatever the path; to others
// it says 501 without a word. Its files come from a server before it, which knows HEAD.
bool is_served(std::string_view verb, bool with_head) {
  return verb == "GET" || verb == "POST" || (with_head && verb == "HEAD");
}

} // namespace

struct server::impl {
  explicit impl(options opts)
    : w(std::move(opts)), load(w), control{w, load, [this] { return http.counts(); }},
      http(http_config(w.settings, w),
           [this](const net::http_request& request, net::http_response& out) {
             return serve(request, out);
           }) {
    w.webhooks().on_reply = [this](const std::shared_ptr<bot>& b, const webhook_answer& answer) {
      run_webhook_reply(w, b, answer);
    };
    http.start();
  }

  ~impl() { stop(std::chrono::milliseconds{0}); }

  void stop(std::chrono::milliseconds grace) {
    load.stop();
    http.stop(grace);
    w.webhooks().stop();
  }

  net::http_pending serve(const net::http_request& request, net::http_response& out) {
    auto path = request.path();
    const bool of_file = path.starts_with("/file/bot");
    if (path.starts_with("/sandbox/")) {
      serve_control(control, request, out);
    } else if (!is_served(request.method, of_file || path == "/")) {
      out.status = 501;
      out.content_type = {};
      out.ending = net::http_ending::close;
    } else if (path.starts_with("/bot")) {
      return serve_api(w, request, out);
    } else if (of_file) {
      serve_file(w, request, out);
    } else if (path == "/") {
      out.content_type = "text/plain; charset=utf-8";
      out.body = front_page;
    } else {
      out.status = 404;
      out.body = telegram::to_json({.code = 404, .description = "Not Found"});
    }
    return std::nullopt;
  }

  world w;
  load_generator load;
  control_context control;
  net::http_server http;
};

server::server(options opts) : impl_(std::make_unique<impl>(std::move(opts))) {
  // nop
}

server::~server() = default;

std::uint16_t server::port() const noexcept {
  return impl_->http.port();
}

std::string server::url() const {
  auto& settings = impl_->w.settings;
  auto bracketed = settings.address.find(':') != std::string::npos;
  return (settings.tls_cert.empty() ? "http://" : "https://")
         + (bracketed ? "[" + settings.address + "]" : settings.address) + ":"
         + std::to_string(port());
}

world& server::state() noexcept {
  return impl_->w;
}

void server::stop(std::chrono::milliseconds grace) {
  impl_->stop(grace);
}

} // namespace troupe::sandbox

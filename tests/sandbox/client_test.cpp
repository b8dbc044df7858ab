#include "tests/sandbox/client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

namespace troupe::sandbox::testing {

namespace asio = boost::asio;
namespace json = boost::json;
using boost::system::error_code;

json::value reply::json() const {
  error_code ec;
  auto result = json::parse({body.data(), body.size()}, ec);
  return ec ? json::value{} : result;
}

json::value reply::result() const {
  auto all = json();
  auto* found = all.is_object() ? all.get_object().if_contains("result") : nullptr;
  return found ? *found : json::value{};
}

std::string reply::description() const {
  auto all = json();
  auto* found = all.is_object() ? all.get_object().if_contains("description") : nullptr;
  return found && found->is_string() ? std::string{found->get_string()} : std::string{};
}

namespace {

constexpr int patience_ms = 20'000;

} // namespace

struct client::impl {
  using tls_stream = asio::ssl::stream<asio::ip::tcp::socket&>;

  explicit impl(std::string url) : secure(url.starts_with("https:")) {
    auto colon = url.rfind(':');
    port = static_cast<std::uint16_t>(std::stoi(url.substr(colon + 1)));
  }

  void connect() {
    if (socket.is_open())
      return;
    buffered.clear();
    socket = asio::ip::tcp::socket{io};
    socket.connect({asio::ip::make_address("127.0.0.1"), port});
    socket.set_option(asio::ip::tcp::no_delay(true));
    if (!secure)
      return;
    tls.emplace(socket, context);
    tls->handshake(asio::ssl::stream_base::client);
  }

  bool fill() {
    char piece[16384];
    pollfd readable{socket.native_handle(), POLLIN, 0};
    auto buffered_by_tls = secure && SSL_pending(tls->native_handle()) > 0;
    if (!buffered_by_tls && ::poll(&readable, 1, patience_ms) <= 0)
      return false; // A test that waits for nothing fails instead of hanging.
    error_code ec;
    auto count =
      secure ? tls->read_some(asio::buffer(piece), ec) : socket.read_some(asio::buffer(piece), ec);
    buffered.append(piece, count);
    return !ec;
  }

  void write(std::string_view bytes) {
    error_code ec;
    if (secure)
      asio::write(*tls, asio::buffer(bytes), ec);
    else
      asio::write(socket, asio::buffer(bytes), ec);
  }

  bool secure;
  std::uint16_t port = 0;
  asio::io_context io;
  asio::ssl::context context{asio::ssl::context::tls_client};
  asio::ip::tcp::socket socket{io};
  std::optional<tls_stream> tls;
  std::string buffered;
  bool head = false;
};

client::client(std::string url) : impl_(std::make_unique<impl>(std::move(url))) {
  // nop
}

client::~client() = default;
client::client(client&&) noexcept = default;

void client::close() {
  error_code ignored;
  impl_->tls.reset();
  impl_->socket.close(ignored);
}

void client::half_close() {
  error_code ignored;
  impl_->socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void client::send(std::string_view bytes) {
  impl_->connect();
  impl_->write(bytes);
}

reply client::receive() {
  reply result;
  auto& text = impl_->buffered;
  std::size_t end = 0;
  while ((end = text.find("\r\n\r\n")) == std::string::npos)
    if (!impl_->fill()) {
      close();
      return result;
    }
  auto head = text.substr(0, end + 2);
  text.erase(0, end + 4);
  result.status = std::stoi(head.substr(9, 3));
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    auto line_end = head.find("\r\n", at);
    auto line = head.substr(at, line_end - at);
    auto colon = line.find(": ");
    auto name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    result.headers[name] = line.substr(colon + 2);
    at = line_end + 2;
  }
  auto length = result.headers.contains("content-length") && !impl_->head
                  ? std::stoul(result.headers["content-length"])
                  : 0;
  result.whole = true;
  while (text.size() < length && result.whole)
    result.whole = impl_->fill();
  result.body = text.substr(0, length);
  text.erase(0, length);
  if (!result.whole || result.headers["connection"] == "close")
    close();
  return result;
}

reply client::request(std::string_view method, std::string_view target, std::string_view body,
                      std::string_view headers) {
  std::string out = std::string{method} + " " + std::string{target}
                    + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + std::string{headers};
  if (!body.empty() || method == "POST")
    out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  out += "\r\n";
  impl_->head = method == "HEAD";
  send(out + std::string{body});
  return receive();
}

reply client::get(std::string_view target) {
  return request("GET", target, {});
}

reply client::post(std::string_view target, std::string_view body, std::string_view content_type) {
  return request("POST", target, body, "Content-Type: " + std::string{content_type} + "\r\n");
}

bool client::ended(std::chrono::milliseconds within) {
  if (!impl_->socket.is_open())
    return true;
  auto deadline = std::chrono::steady_clock::now() + within;
  while (std::chrono::steady_clock::now() < deadline) {
    pollfd waiting{impl_->socket.native_handle(), POLLIN, 0};
    if (::poll(&waiting, 1, 50) <= 0)
      continue;
    if (!impl_->fill())
      return true;
  }
  return false;
}

options quick(bool limits) {
  options result;
  result.port = 0;
  result.enforce_limits = limits;
  return result;
}

scene::scene(options opts) : sandbox((opts.port = 0, opts)), http(sandbox.url()) {
  auto made = control("POST", "bots", "{}");
  bot = made.at("id").to_number<std::int64_t>();
  token = std::string{made.at("token").get_string()};
  user = control("POST", "users", R"({"first_name":"Ada"})").at("id").to_number<std::int64_t>();
  control("POST", "chats",
          R"({"type":"private","bot":)" + std::to_string(bot) + R"(,"users":[)"
            + std::to_string(user) + "]}");
}

reply scene::call(std::string_view method, std::string_view body) {
  return http.post(path(method), body);
}

json::value scene::control(std::string_view method, std::string_view what, std::string_view body) {
  auto answer = http.request(method, "/sandbox/" + std::string{what}, body);
  auto result = answer.json();
  if (answer.status >= 300)
    throw std::runtime_error("control: " + std::to_string(answer.status) + " " + answer.body);
  return result;
}

std::int64_t scene::say(std::string_view text) {
  json::object body{{"user", user}, {"text", text}};
  std::ostringstream out;
  out << body;
  return control("POST", "chats/" + std::to_string(user) + "/messages", out.str())
    .at("message_id")
    .to_number<std::int64_t>();
}

std::string scene::to_chat(std::string_view rest) const {
  return R"({"chat_id":)" + std::to_string(user) + (rest.empty() ? "" : ",") + std::string{rest}
         + "}";
}

bool until(const std::function<bool()>& condition, std::chrono::milliseconds within) {
  auto deadline = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline)
      return false;
    ::poll(nullptr, 0, 2); // Between two looks at the condition.
  }
  return true;
}

namespace {

template <auto F>
struct deleter {
  template <class T>
  void operator()(T* x) const {
    F(x);
  }
};

} // namespace

certificate::certificate() {
  auto pattern = (std::filesystem::temp_directory_path() / "troupe-sandbox-XXXXXX").string();
  directory = ::mkdtemp(pattern.data());
  cert = directory + "/cert.pem";
  key = directory + "/key.pem";
  std::unique_ptr<EVP_PKEY, deleter<EVP_PKEY_free>> secret{EVP_EC_gen("P-256")};
  std::unique_ptr<X509, deleter<X509_free>> x{X509_new()};
  X509_set_version(x.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(x.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(x.get()), 3600);
  X509_set_pubkey(x.get(), secret.get());
  auto* name = X509_get_subject_name(x.get());
  static constexpr unsigned char common_name[] = "127.0.0.1";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
  X509_set_issuer_name(x.get(), name);
  std::unique_ptr<X509_EXTENSION, deleter<X509_EXTENSION_free>> names{
    X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost")};
  X509_add_ext(x.get(), names.get(), -1);
  X509_sign(x.get(), secret.get(), EVP_sha256());
  std::unique_ptr<std::FILE, deleter<std::fclose>> cert_file{std::fopen(cert.c_str(), "w")};
  PEM_write_X509(cert_file.get(), x.get());
  std::unique_ptr<std::FILE, deleter<std::fclose>> key_file{std::fopen(key.c_str(), "w")};
  PEM_write_PrivateKey(key_file.get(), secret.get(), nullptr, nullptr, 0, nullptr, nullptr);
}

certificate::~certificate() {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

std::string certificate::cert_text() const {
  std::ifstream in{cert};
  return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace troupe::sandbox::testing

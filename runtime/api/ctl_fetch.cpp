#include "runtime/api/ctl_fetch.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>

namespace troupe::api {
namespace {

constexpr std::size_t longest_body = 256ull * 1024 * 1024;
constexpr std::chrono::milliseconds glance{
  1000}; ///< How long one wait for the socket lasts at most.

struct place {
  std::string host;   ///< Without brackets for IPv6.
  std::string origin; ///< Scheme, host and port, as libcurl takes them.
};

place parse(std::string_view url) {
  auto secure = url.starts_with("https://");
  std::string_view scheme = secure ? "https://" : "http://";
  auto rest = url;
  if (rest.starts_with(scheme))
    rest.remove_prefix(scheme.size());
  if (rest.ends_with('/'))
    rest.remove_suffix(1);
  // The port follows the last colon that is outside the brackets of an IPv6 address.
  auto colon = rest.rfind(':');
  if (auto bracket = rest.rfind(']'); bracket != std::string_view::npos && colon < bracket)
    colon = std::string_view::npos;
  place to{std::string{rest.substr(0, colon)}, std::string{scheme}.append(rest)};
  std::string_view port = secure ? "443" : "80";
  if (colon != std::string_view::npos)
    port = rest.substr(colon + 1);
  if (to.host.starts_with('[') && to.host.ends_with(']'))
    to.host = to.host.substr(1, to.host.size() - 2);
  auto digits = port.find_first_not_of("0123456789") == std::string::npos && !port.empty();
  if (!url.starts_with(scheme) || to.host.empty() || !digits
      || rest.find_first_of("/?# @") != std::string_view::npos)
    throw std::runtime_error{"\"" + std::string{url}
                             + "\" is not the address of a node; allowed is http://HOST[:PORT] "
                               "or https://HOST[:PORT]"};
  return to;
}

using easy_handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using multi_handle = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;
using header_list = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

/// One exchange while it goes on.
struct exchange {
  explicit exchange(const fetch_request& asked) : what(asked) {}

  const fetch_request& what;
  easy_handle easy{curl_easy_init(), &curl_easy_cleanup};
  std::string body;
  std::exception_ptr failure; ///< What `each` threw.
  char words[CURL_ERROR_SIZE] = "";

  /// Whether the pieces of the body are the caller's: there is no end to wait for.
  bool streams() const {
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return what.each && status == 200;
  }
};

template <class T>
void set(exchange& x, CURLoption option, T value) {
  if (curl_easy_setopt(x.easy.get(), option, value) != CURLE_OK)
    throw std::runtime_error{"this libcurl cannot be used: an option is unknown to it"};
}

/// libcurl's write callback; returning less than `size` ends the exchange.
std::size_t take(char* bytes, std::size_t, std::size_t size, void* self) {
  auto& x = *static_cast<exchange*>(self);
  try {
    if (x.streams()) {
      x.what.each(std::string_view{bytes, size});
      return size;
    }
    if (x.body.size() + size > longest_body)
      return 0;
    x.body.append(bytes, size);
    return size;
  } catch (...) { // Not through a library in C.
    x.failure = std::current_exception();
    return 0;
  }
}

/// Has TLS trust what OpenSSL trusts here, its environment variables included.
CURLcode trust_the_system(CURL*, void* context, void*) {
  return SSL_CTX_set_default_verify_paths(static_cast<SSL_CTX*>(context)) == 1
           ? CURLE_OK
           : CURLE_SSL_CACERT_BADFILE;
}

header_list fields_of(const fetch_request& what) {
  header_list fields{nullptr, &curl_slist_free_all};
  auto add = [&fields](const std::string& line) {
    auto* longer = curl_slist_append(fields.get(), line.c_str());
    if (!longer)
      throw std::bad_alloc{};
    (void)fields.release(); // The list's first element stays the same, unless it had none.
    fields.reset(longer);
  };
  add("Expect:"); // Neither asked for by libcurl itself nor of use here.
  add(what.body.empty() ? "Content-Type:" : "Content-Type: application/json");
  if (!what.key.empty())
    add("Authorization: Bearer " + what.key);
  if (!what.idempotency_key.empty())
    add("Idempotency-Key: " + what.idempotency_key);
  return fields;
}

void describe(exchange& x, const std::string& url, curl_slist* fields) {
  set(x, CURLOPT_URL, url.c_str());
  set(x, CURLOPT_PATH_AS_IS, 1L);
  set(x, CURLOPT_PROTOCOLS_STR, "http,https");
  set(x, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(x, CURLOPT_PROXY,
      ""); // Keys go to the node and to nobody else, whatever the environment says.
  set(x, CURLOPT_NOSIGNAL, 1L);
  set(x, CURLOPT_USERAGENT, "troupectl/" TROUPE_VERSION);
  set(x, CURLOPT_HTTPHEADER, fields);
  if (!x.what.body.empty() || (x.what.method != "GET" && x.what.method != "DELETE")) {
    set(x, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(x.what.body.size()));
    set(x, CURLOPT_POSTFIELDS, x.what.body.c_str());
  }
  set(x, CURLOPT_CUSTOMREQUEST, x.what.method.c_str());
  set(x, CURLOPT_WRITEFUNCTION, &take);
  set(x, CURLOPT_WRITEDATA, &x);
  set(x, CURLOPT_ERRORBUFFER, x.words);
  set(x, CURLOPT_SSL_VERIFYPEER, 1L);
  set(x, CURLOPT_SSL_VERIFYHOST, 2L);
  const char* nothing = nullptr;
  set(x, CURLOPT_CAPATH, nothing);
  set(x, CURLOPT_CAINFO, x.what.ca_file.empty() ? nothing : x.what.ca_file.c_str());
  if (x.what.ca_file.empty())
    set(x, CURLOPT_SSL_CTX_FUNCTION, &trust_the_system);
}

/// Lets the exchange go on until it ends. @returns how; CURLE_OPERATION_TIMEDOUT after `patience`,
/// unless pieces come by then that are the caller's
CURLcode run(exchange& x, std::chrono::milliseconds patience) {
  multi_handle multi{curl_multi_init(), &curl_multi_cleanup};
  if (!multi || curl_multi_add_handle(multi.get(), x.easy.get()) != CURLM_OK)
    return CURLE_FAILED_INIT;
  auto deadline = std::chrono::steady_clock::now() + patience;
  auto result = CURLE_OPERATION_TIMEDOUT;
  for (int running = 1;;) {
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) {
      result = CURLE_FAILED_INIT;
      break;
    }
    int left = 0;
    if (auto* message = curl_multi_info_read(multi.get(), &left)) {
      result = message->data.result;
      break;
    }
    auto wait = glance;
    if (!x.streams()) {
      auto rest =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (rest.count() <= 0)
        break;
      wait = std::min(wait, rest);
    }
    curl_multi_poll(multi.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
  }
  curl_multi_remove_handle(multi.get(), x.easy.get());
  return result;
}

std::string explain(const exchange& x, CURLcode how) {
  std::string why = x.words[0] ? x.words : curl_easy_strerror(how);
  long number = 0;
  switch (how) {
  case CURLE_OPERATION_TIMEDOUT:
    return "no answer in time";
  case CURLE_COULDNT_CONNECT:
    curl_easy_getinfo(x.easy.get(), CURLINFO_OS_ERRNO, &number);
    return number == ECONNREFUSED ? "nobody listens there; is trouped running?" : why;
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CACERT_BADFILE:
    return "TLS: " + why + " (is its certificate trusted? see --ca-file)";
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_GOT_NOTHING:
    return "the answer is not HTTP";
  case CURLE_PARTIAL_FILE:
  case CURLE_RECV_ERROR:
    return "the connection ended within the answer";
  case CURLE_WRITE_ERROR:
    return "the answer is too long";
  default:
    return why;
  }
}

} // namespace

fetched fetch(std::string_view url, const fetch_request& what, std::chrono::milliseconds patience) {
  auto where = parse(url);
  static const auto ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  exchange x{what}; // Its address is libcurl's: it stays where it is.
  if (ready != CURLE_OK || !x.easy)
    throw std::runtime_error{"libcurl cannot be used"};
  auto fields = fields_of(what);
  describe(x, where.origin + what.path, fields.get());
  auto how = run(x, patience);
  if (x.failure)
    std::rethrow_exception(x.failure);
  if (how != CURLE_OK)
    throw std::runtime_error{"cannot reach " + std::string{url} + ": " + explain(x, how)};
  fetched answer;
  long status = 0;
  curl_easy_getinfo(x.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<unsigned>(status);
  answer.body = std::move(x.body);
  curl_off_t seconds = 0;
  curl_easy_getinfo(x.easy.get(), CURLINFO_RETRY_AFTER, &seconds);
  answer.retry_after = std::chrono::seconds{seconds};
  return answer;
}

bool is_loopback(std::string_view url) {
  auto where = parse(url);
  if (where.host == "localhost")
    return true;
  in_addr four{};
  if (inet_pton(AF_INET, where.host.c_str(), &four) == 1)
    return ntohl(four.s_addr) >> 24 == 127;
  in6_addr six{};
  return inet_pton(AF_INET6, where.host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

} // namespace troupe::api

#include "runtime/peers/trust.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include <sys/stat.h>

namespace troupe::peers {
namespace {

template <auto Free>
struct freed {
  template <class T>
  void operator()(T* x) const {
    Free(x);
  }
};

using certificate = std::unique_ptr<X509, freed<X509_free>>;
using memory = std::unique_ptr<BIO, freed<BIO_free>>;

std::string content_of(const std::string& file) {
  std::ifstream in{file, std::ios::binary};
  std::ostringstream out;
  out << in.rdbuf();
  if (!in)
    throw std::runtime_error{file + " cannot be read"};
  return std::move(out).str();
}

certificate parse(const std::string& pem) {
  memory in{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  return certificate{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
}

std::string text_of(X509* x) {
  memory out{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509(out.get(), x);
  char* data = nullptr;
  auto size = BIO_get_mem_data(out.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

/// Good for both sides of a connection.
bool is_signed(X509_STORE* by, X509* x) {
  for (auto purpose : {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT}) {
    std::unique_ptr<X509_STORE_CTX, freed<X509_STORE_CTX_free>> check{X509_STORE_CTX_new()};
    if (X509_STORE_CTX_init(check.get(), by, x, nullptr) != 1
        || X509_STORE_CTX_set_purpose(check.get(), purpose) != 1
        || X509_verify_cert(check.get()) != 1)
      return false;
  }
  return true;
}

} // namespace

std::string trusted_certificates(const std::string& ca_file, const std::vector<trusted_node>& nodes,
                                 std::vector<std::string>& refused) {
  std::unique_ptr<X509_STORE, freed<X509_STORE_free>> authority{X509_STORE_new()};
  if (X509_STORE_load_file(authority.get(), ca_file.c_str()) != 1)
    throw std::runtime_error{ca_file + " holds no certificates"};
  std::string result;
  for (const auto& node : nodes) {
    auto x = parse(node.certificate);
    if (x && is_signed(authority.get(), x.get()))
      result += text_of(x.get());
    else
      refused.push_back(node.name);
  }
  return result;
}

void write_trusted(const std::string& file, const std::string& certificates) {
  auto next = file + ".next";
  {
    std::ofstream out{next, std::ios::binary | std::ios::trunc};
    out << certificates;
    out.close();
    if (!out)
      throw std::runtime_error{next + " cannot be written"};
  }
  std::filesystem::rename(next, file);
}

std::string read_certificate(const std::string& file) {
  auto x = parse(content_of(file));
  if (!x)
    throw std::runtime_error{file + " holds no certificate"};
  return text_of(x.get());
}

void trust_single_certificates() {
  struct side {
    const char* name;
    int purpose;
    int trust;
  };
  for (auto [name, purpose, trust] :
       {side{"ssl_client", X509_PURPOSE_SSL_CLIENT, X509_TRUST_SSL_CLIENT},
        side{"ssl_server", X509_PURPOSE_SSL_SERVER, X509_TRUST_SSL_SERVER}}) {
    auto* rules = X509_VERIFY_PARAM_new();
    X509_VERIFY_PARAM_set1_name(rules, name);
    X509_VERIFY_PARAM_set_purpose(rules, purpose);
    X509_VERIFY_PARAM_set_trust(rules, trust);
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_add0_table(rules); // Owns it; one of the same name is replaced.
  }
}

} // namespace troupe::peers

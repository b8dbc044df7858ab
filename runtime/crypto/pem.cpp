#include "runtime/crypto/pem.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>

namespace troupe::crypto {
namespace {

template <auto F>
struct freeing {
  template <class T>
  void operator()(T* x) const noexcept {
    F(x);
  }
};

using bio_ptr = std::unique_ptr<BIO, freeing<BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, freeing<X509_free>>;
using pkey_ptr = std::unique_ptr<EVP_PKEY, freeing<EVP_PKEY_free>>;

bio_ptr reader_of(std::string_view text) {
  return bio_ptr{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

/// Without it OpenSSL asks whoever sits at the terminal.
int no_passphrase(char*, int, int, void*) noexcept {
  return -1;
}

x509_ptr certificate_in(std::string_view pem) {
  auto in = reader_of(pem);
  x509_ptr found{PEM_read_bio_X509_AUX(in.get(), nullptr, no_passphrase, nullptr)};
  ERR_clear_error();
  return found;
}

pkey_ptr private_key_in(std::string_view pem) {
  auto in = reader_of(pem);
  pkey_ptr found{PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr)};
  ERR_clear_error();
  return found;
}

} // namespace

bool holds_certificate(std::string_view pem) {
  return certificate_in(pem) != nullptr;
}

bool holds_private_key(std::string_view pem) {
  return private_key_in(pem) != nullptr;
}

bool is_key_of(std::string_view key, std::string_view certificate) {
  auto ours = private_key_in(key);
  auto theirs = certificate_in(certificate);
  bool fits = ours && theirs && X509_check_private_key(theirs.get(), ours.get()) == 1;
  ERR_clear_error();
  return fits;
}

} // namespace troupe::crypto

#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

namespace troupe::net::test {

/// A certificate authority for one test: keys and certificates are made in this process and the
/// authority's certificate is put into a file, which goes with the object.
class throwaway_ca {
public:
  struct identity {
    std::string certificate; ///< PEM.
    std::string key;         ///< PEM.
  };

  throwaway_ca() : key_(make_key()), certificate_(make("troupe test authority", "", key_.get())) {
    auto pattern = (std::filesystem::temp_directory_path() / "troupe-ca-XXXXXX").string();
    auto fd = ::mkstemp(pattern.data());
    if (fd < 0)
      throw std::runtime_error("no temporary file");
    ::close(fd);
    path_ = pattern;
    std::ofstream{path_} << pem(certificate_.get());
  }

  ~throwaway_ca() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  throwaway_ca(const throwaway_ca&) = delete;
  throwaway_ca& operator=(const throwaway_ca&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// A certificate for `name`, such as "DNS:api.test" or "IP:127.0.0.1".
  [[nodiscard]] identity issue(const std::string& name) const {
    auto key = make_key();
    auto certificate = make("server", name, key.get());
    return {pem(certificate.get()), pem(key.get())};
  }

private:
  template <auto F>
  struct freeing {
    template <class T>
    void operator()(T* x) const noexcept {
      F(x);
    }
  };
  using key_ptr = std::unique_ptr<EVP_PKEY, freeing<EVP_PKEY_free>>;
  using cert_ptr = std::unique_ptr<X509, freeing<X509_free>>;
  using bio_ptr = std::unique_ptr<BIO, freeing<BIO_free_all>>;
  using extension_ptr = std::unique_ptr<X509_EXTENSION, freeing<X509_EXTENSION_free>>;

  static key_ptr make_key() { return key_ptr{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")}; }

  // An authority if it has no `name`.
  [[nodiscard]] cert_ptr make(const char* common_name, const std::string& name,
                              EVP_PKEY* key) const {
    cert_ptr result{X509_new()};
    auto* x = result.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), name.empty() ? 1 : ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(name.empty() ? x : certificate_.get()));
    extend(x, NID_basic_constraints, name.empty() ? "critical,CA:TRUE" : "CA:FALSE");
    if (!name.empty())
      extend(x, NID_subject_alt_name, name.c_str());
    X509_sign(x, name.empty() ? key : key_.get(), EVP_sha256());
    return result;
  }

  static void extend(X509* x, int id, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x, x, nullptr, nullptr, 0);
    extension_ptr extension{X509V3_EXT_conf_nid(nullptr, &context, id, value)};
    if (!extension)
      throw std::runtime_error("bad certificate extension");
    X509_add_ext(x, extension.get(), -1);
  }

  template <class T>
  static std::string pem(T* what) {
    bio_ptr out{BIO_new(BIO_s_mem())};
    if constexpr (std::is_same_v<T, X509>)
      PEM_write_bio_X509(out.get(), what);
    else
      PEM_write_bio_PrivateKey(out.get(), what, nullptr, nullptr, 0, nullptr, nullptr);
    const char* data = nullptr;
    auto size = BIO_ctrl(out.get(), BIO_CTRL_INFO, 0, &data);
    return {data, static_cast<std::size_t>(size)};
  }

  mutable long serial_ = 1;
  key_ptr key_;
  cert_ptr certificate_;
  std::string path_;
};

} // namespace troupe::net::test

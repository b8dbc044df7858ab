#include "runtime/config/pem_files.hpp"
#include "runtime/crypto/bytes.hpp"
#include "runtime/crypto/pem.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>

namespace troupe::config {
namespace {

enum class pem_part { certificate, key };

/// A file's text, which may be a secret.
class pem_text {
public:
  explicit pem_text(const std::string& path) {
    std::error_code failed; // A directory opens like a file, and throws when it is read.
    if (std::ifstream in{path, std::ios::binary};
        in && !std::filesystem::is_directory(path, failed))
      text_.assign(std::istreambuf_iterator<char>{in}, {});
  }
  pem_text(const pem_text&) = delete;
  pem_text& operator=(const pem_text&) = delete;
  ~pem_text() { crypto::wipe(text_); }

  [[nodiscard]] std::string_view view() const noexcept { return text_; }
  [[nodiscard]] bool holds(pem_part what) const {
    return what == pem_part::key ? crypto::holds_private_key(text_)
                                 : crypto::holds_certificate(text_);
  }

private:
  std::string text_;
};

std::string file_of(std::string_view name) {
  return std::string{name.substr(0, name.find('.'))} + ".conf: ";
}

std::string value_of(std::string_view name, const std::string& path) {
  return std::string{name} + " = \"" + path + '"';
}

} // namespace

std::vector<std::string> check_pem_files(const settings& all) {
  using enum pem_part;
  const struct {
    std::string_view name;
    const std::string& path;
    pem_part what;
    std::string_view key_of = {}; ///< The setting that names its certificate.
  } files[] = {
    {"session-pool.ca-file", all.session_pool.ca_file, certificate},
    {"delivery.ca-file", all.delivery.ca_file, certificate},
    {"gateway.tls-cert", all.gateway.tls_cert, certificate},
    {"gateway.tls-key", all.gateway.tls_key, key, "gateway.tls-cert"},
    {"api.tls-cert", all.api.tls_cert, certificate},
    {"api.tls-key", all.api.tls_key, key, "api.tls-cert"},
    {"webhook.tls-cert", all.webhook.tls_cert, certificate},
    {"webhook.tls-key", all.webhook.tls_key, key, "webhook.tls-cert"},
    {"webhook.certificate", all.webhook.certificate, certificate},
    {"cluster.etcd-ca-file", all.cluster.etcd_ca_file, certificate},
    {"cluster.etcd-cert-file", all.cluster.etcd_cert_file, certificate},
    {"cluster.etcd-key-file", all.cluster.etcd_key_file, key, "cluster.etcd-cert-file"},
    {"cluster.ca-file", all.cluster.ca_file, certificate},
    {"cluster.cert-file", all.cluster.cert_file, certificate},
    {"cluster.key-file", all.cluster.key_file, key, "cluster.cert-file"},
  };
  std::vector<std::string> problems;
  std::map<std::string_view, const std::string*> certificates; // That were found.
  for (const auto& one : files) {
    if (one.path.empty())
      continue;
    pem_text text{one.path};
    if (!text.holds(one.what)) {
      problems.push_back(file_of(one.name) + value_of(one.name, one.path)
                         + " is not allowed; allowed is a readable PEM file with a "
                         + (one.what == key ? "private key, without a passphrase" : "certificate"));
    } else if (one.what == certificate) {
      certificates.emplace(one.name, &one.path);
    } else if (auto its = certificates.find(one.key_of);
               its != certificates.end()
               && !crypto::is_key_of(text.view(), pem_text{*its->second}.view())) {
      problems.push_back(file_of(one.name) + value_of(one.name, one.path)
                         + " must be the key of the certificate in "
                         + value_of(one.key_of, *its->second));
    }
  }
  return problems;
}

} // namespace troupe::config

#include "runtime/config/pem_files.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace troupe::config {
namespace {

enum class pem_part { certificate, key };

/// The part's line, as OpenSSL looks for it ("X509 CERTIFICATE", "RSA PRIVATE KEY" and others,
/// too).
bool holds_part(std::string_view text, pem_part what) {
  return text.find("-----BEGIN ") != std::string_view::npos
         && text.find(what == pem_part::key ? "PRIVATE KEY-----" : "CERTIFICATE-----")
              != std::string_view::npos;
}

} // namespace

std::vector<std::string> check_pem_files(const settings& all) {
  using enum pem_part;
  const struct {
    std::string_view name;
    const std::string& path;
    pem_part what;
  } files[] = {
    {"session-pool.ca-file", all.session_pool.ca_file, certificate},
    {"delivery.ca-file", all.delivery.ca_file, certificate},
    {"gateway.tls-cert", all.gateway.tls_cert, certificate},
    {"gateway.tls-key", all.gateway.tls_key, key},
    {"api.tls-cert", all.api.tls_cert, certificate},
    {"api.tls-key", all.api.tls_key, key},
    {"webhook.tls-cert", all.webhook.tls_cert, certificate},
    {"webhook.tls-key", all.webhook.tls_key, key},
    {"webhook.certificate", all.webhook.certificate, certificate},
    {"cluster.etcd-ca-file", all.cluster.etcd_ca_file, certificate},
    {"cluster.etcd-cert-file", all.cluster.etcd_cert_file, certificate},
    {"cluster.etcd-key-file", all.cluster.etcd_key_file, key},
    {"cluster.ca-file", all.cluster.ca_file, certificate},
    {"cluster.cert-file", all.cluster.cert_file, certificate},
    {"cluster.key-file", all.cluster.key_file, key},
  };
  std::vector<std::string> problems;
  for (const auto& one : files) {
    if (one.path.empty())
      continue;
    std::error_code failed; // A directory opens like a file, and throws when it is read.
    std::string text;
    if (std::ifstream in{one.path, std::ios::binary};
        in && !std::filesystem::is_directory(one.path, failed))
      text.assign(std::istreambuf_iterator<char>{in}, {});
    if (!holds_part(text, one.what))
      problems.push_back(std::string{one.name.substr(0, one.name.find('.'))}
                         + ".conf: " + std::string{one.name} + " = \"" + one.path
                         + "\" is not allowed; allowed is a readable PEM file with a "
                         + (one.what == key ? "private key" : "certificate"));
  }
  return problems;
}

} // namespace troupe::config

#pragma once
#include <string>
#include <vector>

/// Which certificates another node may show. CAF checks a peer's certificate against one file of
/// trusted certificates and asks for no name (shared notes: caf::openssl checks the authority
/// alone). So that file holds no authority but the nodes' own certificates, as they are registered
/// in etcd and as far as the cluster's authority signed them: each is trusted by itself.
namespace troupe::peers {

struct trusted_node {
  std::string name;
  std::string certificate; ///< PEM.
};

/// The certificates of those who may connect: ours, and the others' that `ca_file` signed and that
/// are neither expired nor for something else. @param refused told the names of those left out
/// @throws std::runtime_error with a sentence when a file cannot be read
[[nodiscard]] std::string trusted_certificates(const std::string& ca_file,
                                               const std::vector<trusted_node>& nodes,
                                               std::vector<std::string>& refused);

/// Replaces the file's content, at once or not at all. @throws std::runtime_error
void write_trusted(const std::string& file, const std::string& certificates);

/// The first certificate in a PEM file, as PEM. @throws std::runtime_error
[[nodiscard]] std::string read_certificate(const std::string& file);

/// From now on a certificate in a file of trusted ones is trusted though its issuer is not there:
/// in this whole process, where every other such file holds authorities. Source: OpenSSL 3,
/// X509_VERIFY_PARAM_add0_table and X509_V_FLAG_PARTIAL_CHAIN.
void trust_single_certificates();

} // namespace troupe::peers

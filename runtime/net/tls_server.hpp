#pragma once
#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

namespace troupe::net {

/// What a server needs to speak TLS 1.2 and later: PEM files with its certificate chain and its
/// private key. Null when both are empty: plain HTTP.
/// @throws std::runtime_error naming the file that is missing or unusable
std::unique_ptr<boost::asio::ssl::context> make_server_tls(const std::string& cert,
                                                           const std::string& key);

} // namespace troupe::net

#ifndef ACCOUNT_SERVER_TLS_HPP
#define ACCOUNT_SERVER_TLS_HPP

#include <boost/asio/ssl/context.hpp>

#include <filesystem>

namespace account_server {

/// TLS 1.2 and 1.3, with this certificate (and its chain) and its key, both PEM.
/// @throws boost::system::system_error naming the file
[[nodiscard]] boost::asio::ssl::context tls_context(const std::filesystem::path& certificate,
                                                    const std::filesystem::path& key);

}  // namespace account_server

#endif

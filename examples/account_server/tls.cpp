#include "tls.hpp"

#include <boost/system/system_error.hpp>

#include <openssl/ssl.h>

namespace account_server {

boost::asio::ssl::context tls_context(const std::filesystem::path& certificate,
                                      const std::filesystem::path& key) {
  using boost::asio::ssl::context;
  context made(context::tls_server);
  SSL_CTX_set_min_proto_version(made.native_handle(), TLS1_2_VERSION);
  // A renegotiation costs the server more than the client who asks for it.
  made.set_options(context::default_workarounds | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  boost::system::error_code failed;
  made.use_certificate_chain_file(certificate.string(), failed);
  if (failed) throw boost::system::system_error(failed, certificate.string());
  made.use_private_key_file(key.string(), context::pem, failed);
  if (failed) throw boost::system::system_error(failed, key.string());
  return made;
}

}  // namespace account_server

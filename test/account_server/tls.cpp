#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bank_test.hpp"

// The same server with a certificate.

using namespace nori::server_test;

namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// Writes a key and a certificate that it signs itself.
void make_certificate(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> pair(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, void (*)(X509*)> made(X509_new(), X509_free);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), pair.get());
  X509_NAME* const name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  X509_sign(made.get(), pair.get(), EVP_sha256());
  const auto write = [](const std::filesystem::path& to, auto what) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(to.c_str(), "w"),
                                                               std::fclose);
    BOOST_TEST_REQUIRE((file && what(file.get()) == 1));
  };
  write(certificate, [&](std::FILE* to) { return PEM_write_X509(to, made.get()); });
  write(key, [&](std::FILE* to) {
    return PEM_write_PrivateKey(to, pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

/// A client that knows the certificate.
class tls_client {
 public:
  tls_client(const server& at, const std::filesystem::path& certificate, int version = 0)
      : context_(trusting(certificate, version)), stream_(io_, context_) {
    stream_.lowest_layer().connect({asio::ip::address_v4::loopback(), at.port()});
    stream_.handshake(asio::ssl::stream_base::client);
  }

  /// What the server says to it, up to the end of the connection, which is to be said.
  std::string ask(const std::string& text) {
    asio::write(stream_, asio::buffer(text));
    std::string got;
    boost::system::error_code ended;
    asio::read(stream_, asio::dynamic_buffer(got), ended);
    BOOST_TEST(ended == asio::error::eof, ended.message());
    return got;
  }
  void write(const std::string& text) { asio::write(stream_, asio::buffer(text)); }
  /// Until this is there.
  std::string read_until(const std::string& text) {
    std::string got;
    while (got.find(text) == std::string::npos) {
      char c = 0;
      asio::read(stream_, asio::buffer(&c, 1));
      got += c;
    }
    return got;
  }

 private:
  static asio::ssl::context trusting(const std::filesystem::path& certificate, int version) {
    asio::ssl::context made(asio::ssl::context::tls_client);
    made.set_verify_mode(asio::ssl::verify_peer);
    made.load_verify_file(certificate.string());
    if (version != 0) {
      SSL_CTX_set_min_proto_version(made.native_handle(), version);
      SSL_CTX_set_max_proto_version(made.native_handle(), version);
      // Otherwise this side would refuse the old ones by itself.
      SSL_CTX_set_security_level(made.native_handle(), 0);
    }
    return made;
  }

  asio::io_context io_;
  asio::ssl::context context_;
  asio::ssl::stream<tcp::socket> stream_;
};

struct tls_bank : bank {
  tls_bank() { make_certificate(certificate, key); }

  std::filesystem::path certificate = scratch.path() / "certificate.pem";
  std::filesystem::path key = scratch.path() / "key.pem";
  std::vector<std::string> options{"--tls-certificate", certificate.string(), "--tls-key",
                                   key.string()};
};

call closing(call what) {
  what.headers["Connection"] = "close";
  return what;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(account_server_tls)

BOOST_FIXTURE_TEST_CASE(commands_queries_and_events_come_through_tls, tls_bank) {
  server at(dir(), options);
  const call command = closing(at.command("/accounts", R"({"account":"ann"})", "k"));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const std::string got = tls_client(at, certificate, version).ask(command.text());
    BOOST_TEST(got.starts_with("HTTP/1.1 201"), got);
  }
  call health;
  health.path = "/health";
  BOOST_TEST(tls_client(at, certificate).ask(closing(health).text()).starts_with("HTTP/1.1 200"));
  call events;
  events.path = "/events";
  tls_client reader(at, certificate);
  reader.write(events.text());
  reader.read_until("event: account_opened");
  reader.read_until("event: caught_up");
  at.signal(SIGTERM);
  reader.read_until(": stopping");
  BOOST_TEST(at.wait() == 0);
}

BOOST_FIXTURE_TEST_CASE(what_is_not_tls_or_too_old_is_turned_away, tls_bank) {
  server at(dir(), options);
  BOOST_CHECK_THROW(tls_client(at, certificate, TLS1_VERSION), boost::system::system_error);
  BOOST_CHECK_THROW(tls_client(at, certificate, TLS1_1_VERSION), boost::system::system_error);
  {
    // The token would go over the wire in plain text.
    wire plain = at.connect();
    plain.send(at.command("/accounts", R"({"account":"bob"})", "k").text());
    plain.wait_for_end();
  }
  call query;
  query.path = "/accounts/bob";
  BOOST_TEST(tls_client(at, certificate).ask(closing(query).text()).starts_with("HTTP/1.1 404"));
  BOOST_TEST(at.stop() == 0);
}

BOOST_FIXTURE_TEST_CASE(a_handshake_that_does_not_go_on_is_ended, tls_bank) {
  options.insert(options.end(), {"--request-seconds", "1"});
  server at(dir(), options);
  wire silent = at.connect();
  wire half = at.connect();
  half.send("\x16\x03\x01\x02");
  silent.wait_for_end();
  half.wait_for_end();
}

BOOST_FIXTURE_TEST_CASE(with_tls_it_listens_where_others_reach_it, tls_bank) {
  options.insert(options.end(), {"--listen", "0.0.0.0"});
  server at(dir(), options);
  call health;
  health.path = "/health";
  BOOST_TEST(tls_client(at, certificate).ask(closing(health).text()).starts_with("HTTP/1.1 200"));
}

BOOST_AUTO_TEST_SUITE_END()

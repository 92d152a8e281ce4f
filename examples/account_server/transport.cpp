#include "transport.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <utility>

namespace account_server {

namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

auto into(error_code& failed) { return asio::redirect_error(asio::use_awaitable, failed); }

/// The client may still be sending, and closing then resets the connection, which can take the
/// response from it. So it is told that nothing more comes, and what it sends is read, a while.
asio::awaitable<void> hang_up(boost::beast::tcp_stream& stream) {
  constexpr std::size_t discarded_bytes_max = std::size_t{1} << 20;
  error_code failed;
  stream.socket().shutdown(tcp::socket::shutdown_send, failed);
  stream.expires_after(2s);
  std::array<char, 4096> discarded{};
  std::size_t count = 0;
  while (!failed && count < discarded_bytes_max) {
    count += co_await stream.async_read_some(asio::buffer(discarded), into(failed));
  }
  stream.close();
}

class plain_transport final : public transport {
 public:
  using transport::transport;

  asio::awaitable<error_code> begin(std::chrono::seconds) override { co_return error_code(); }
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer to, error_code& failed) override {
    return stream_.async_read_some(to, into(failed));
  }
  asio::awaitable<void> write(std::string_view bytes, error_code& failed) override {
    co_await asio::async_write(stream_, asio::buffer(bytes), into(failed));
  }
  asio::awaitable<void> end() override { return hang_up(stream_); }
};

class tls_transport final : public transport {
 public:
  tls_transport(tcp::socket socket, asio::ssl::context& tls)
      : transport(std::move(socket)), tls_(stream_, tls) {}

  asio::awaitable<error_code> begin(std::chrono::seconds longest) override {
    error_code failed;
    stream_.expires_after(longest);
    co_await tls_.async_handshake(asio::ssl::stream_base::server, into(failed));
    co_return failed;
  }
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer to, error_code& failed) override {
    return tls_.async_read_some(to, into(failed));
  }
  asio::awaitable<void> write(std::string_view bytes, error_code& failed) override {
    co_await asio::async_write(tls_, asio::buffer(bytes), into(failed));
  }
  asio::awaitable<void> end() override {
    // Otherwise the client can't tell this end from somebody who has cut the connection.
    error_code failed;
    stream_.expires_after(2s);
    co_await tls_.async_shutdown(into(failed));
    co_await hang_up(stream_);
  }

 private:
  asio::ssl::stream<boost::beast::tcp_stream&> tls_;
};

}  // namespace

std::unique_ptr<transport> make_transport(tcp::socket socket, asio::ssl::context* tls) {
  if (tls == nullptr) return std::make_unique<plain_transport>(std::move(socket));
  return std::make_unique<tls_transport>(std::move(socket), *tls);
}

}  // namespace account_server

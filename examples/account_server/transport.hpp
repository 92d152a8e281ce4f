#ifndef ACCOUNT_SERVER_TRANSPORT_HPP
#define ACCOUNT_SERVER_TRANSPORT_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace account_server {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// Bytes in both directions, plain or encrypted, each with a time that it may take.
///
/// All of it belongs to the socket's executor. What fails is reported as a value, as most ends of a
/// connection are no surprise; a time that is over closes the socket.
class transport {
 public:
  explicit transport(tcp::socket socket) : stream_(std::move(socket)) {}
  virtual ~transport() = default;
  transport(const transport&) = delete;
  transport& operator=(const transport&) = delete;

  /// What comes before the first byte; nothing for plain ones.
  virtual asio::awaitable<boost::system::error_code> begin(std::chrono::seconds longest) = 0;
  virtual asio::awaitable<std::size_t> read_some(asio::mutable_buffer into,
                                                 boost::system::error_code& failed) = 0;
  virtual asio::awaitable<void> write(std::string_view bytes,
                                      boost::system::error_code& failed) = 0;
  /// Says that this is the end, waits a while for the client to see it, and closes.
  virtual asio::awaitable<void> end() = 0;

  /// For what is done from now on, together.
  void set_time(std::chrono::seconds longest) { stream_.expires_after(longest); }
  void set_no_time() { stream_.expires_never(); }
  /// Ends what is being done with operation_aborted.
  void cancel() { stream_.cancel(); }
  void close() { stream_.close(); }
  [[nodiscard]] tcp::socket& socket() { return stream_.socket(); }

 protected:
  boost::beast::tcp_stream stream_;
};

/// `tls` is null for plain HTTP, else outlives it.
[[nodiscard]] std::unique_ptr<transport> make_transport(tcp::socket socket,
                                                        asio::ssl::context* tls);

}  // namespace account_server

#endif

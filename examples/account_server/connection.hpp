#ifndef ACCOUNT_SERVER_CONNECTION_HPP
#define ACCOUNT_SERVER_CONNECTION_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "service.hpp"
#include "transport.hpp"

namespace account_server {

/// What others may ask of a connection. All of it belongs to the connection's executor, a strand.
struct connection {
  explicit connection(asio::any_io_executor on) : executor(std::move(on)) {}

  asio::any_io_executor executor;
  bool stopping = false;  ///< no further request is to be read
  bool gone = false;      ///< of a reader of /events: it has hung up
  /// Set while it waits for a request of which nothing has come yet: ends that wait.
  std::function<void()> stop_waiting;
  asio::cancellation_signal wake;  ///< ends the wait of a reader of /events
};

/// All connections that are open.
///
/// @par Thread safety
/// Safe to use from any thread.
class connections {
 public:
  void add(const std::shared_ptr<connection>& one);
  void remove(const std::shared_ptr<connection>& one);
  [[nodiscard]] std::size_t count() const;

  /// Has each end once it has answered what it has begun to read.
  void stop();
  /// Calls it, on some thread, when none is left; at once where none is.
  void when_empty(std::function<void()> call);

 private:
  mutable std::mutex mutex_;
  std::unordered_set<std::shared_ptr<connection>> all_;
  bool stopping_ = false;
  std::function<void()> when_empty_;
};

/// Answers the requests of one connection, one after the other, until it ends. Throws nothing.
/// Everything outlives it. `tls` is null for plain HTTP. It has been counted in
/// service::connections, and takes itself out of it.
asio::awaitable<void> serve(service& in, connections& all, tcp::socket socket,
                            asio::ssl::context* tls);

/// Says 503 and closes: what a connection over the limit gets.
asio::awaitable<void> turn_away(tcp::socket socket);

}  // namespace account_server

#endif

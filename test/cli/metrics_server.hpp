#ifndef NORI_TEST_CLI_METRICS_SERVER_HPP
#define NORI_TEST_CLI_METRICS_SERVER_HPP

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace nori::cli_test {

namespace asio = boost::asio;

/// A service's HTTP, on a thread of its own: answers each request with what it is told to.
class metrics_server {
 public:
  /// Gives the bytes of the answer to the n-th request, from 0; none: it never answers. Called on
  /// the server's thread.
  using answers = std::function<std::optional<std::string>(int number)>;

  explicit metrics_server(answers given) : given_(std::move(given)), acceptor_(context_, local()) {
    asio::co_spawn(context_, serve(this), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~metrics_server() {
    context_.stop();
    thread_.join();
  }
  metrics_server(const metrics_server&) = delete;
  metrics_server& operator=(const metrics_server&) = delete;

  [[nodiscard]] std::string port() const {
    return std::to_string(acceptor_.local_endpoint().port());
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + port() + "/metrics"; }

  [[nodiscard]] static std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
  }

 private:
  static asio::ip::tcp::endpoint local() { return {asio::ip::address_v4::loopback(), 0}; }

  static asio::awaitable<void> serve(metrics_server* self) {
    namespace http = boost::beast::http;
    for (int number = 0;; ++number) {
      asio::ip::tcp::socket peer = co_await self->acceptor_.async_accept(asio::use_awaitable);
      try {
        boost::beast::flat_buffer buffer;
        http::request<http::empty_body> request;
        co_await http::async_read(peer, buffer, request, asio::use_awaitable);
        const std::optional<std::string> answer = self->given_(number);
        if (answer) {
          co_await asio::async_write(peer, asio::buffer(*answer), asio::use_awaitable);
        } else {
          self->unanswered_.push_back(std::move(peer));
        }
      } catch (const boost::system::system_error&) {
        // Whoever asked has gone: the next one is served.
      }
    }
  }

  answers given_;
  asio::io_context context_;
  asio::ip::tcp::acceptor acceptor_;
  std::vector<asio::ip::tcp::socket> unanswered_;
  std::thread thread_;
};

}  // namespace nori::cli_test

#endif

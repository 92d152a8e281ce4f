#include "clients.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace load {

namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// One client. It knows just enough of HTTP to be no burden itself.
class client {
 public:
  client(const asio::any_io_executor& executor, const std::string& token, std::size_t number)
      : socket_(executor), token_(token), name_("a" + std::to_string(number)) {}

  asio::awaitable<void> open(std::uint16_t port) {
    co_await socket_.async_connect({asio::ip::address_v4::loopback(), port}, asio::use_awaitable);
    socket_.set_option(tcp::no_delay(true));
    std::string body = R"({"account":")" + name_ + "\"}";
    co_await call("/accounts", std::move(body), "open-" + name_);
  }

  asio::awaitable<void> deposit(latencies& all) {
    for (std::size_t n = 0; !all.over(); ++n) {
      const auto begun = clock::now();
      std::string body = R"({"amount":1})";
      co_await call("/accounts/" + name_ + "/deposit", std::move(body),
                    name_ + '.' + std::to_string(n));
      all.add(begun);
    }
  }

 private:
  asio::awaitable<void> call(std::string path, std::string body, std::string key) {
    const std::string text =
        "POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + "Authorization: Bearer " + token_ +
        "\r\nIdempotency-Key: " + key +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    co_await asio::async_write(socket_, asio::buffer(text), asio::use_awaitable);
    // The answer ends with its body, which is a line.
    std::size_t count = 0;
    std::string_view got;
    do {
      count += co_await socket_.async_read_some(
          asio::buffer(answer_.data() + count, answer_.size() - count), asio::use_awaitable);
      got = std::string_view(answer_.data(), count);
    } while (!got.ends_with("}\n"));
    if (!got.starts_with("HTTP/1.1 20")) throw std::runtime_error(std::string(got));
  }

  tcp::socket socket_;
  const std::string& token_;
  std::string name_;
  std::array<char, 2048> answer_{};
};

void fail(std::exception_ptr failure) {
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

figures measure_server(std::uint16_t port, const std::string& token, std::size_t connections,
                       std::chrono::milliseconds how_long) {
  asio::io_context context(1);
  std::vector<client> clients;
  clients.reserve(connections);
  for (std::size_t i = 0; i < connections; ++i) {
    clients.emplace_back(context.get_executor(), token, i);
  }
  for (client& each : clients) asio::co_spawn(context, each.open(port), fail);
  context.run();
  context.restart();
  const auto from = clock::now() + how_long / 5;
  latencies all(from, from + how_long);
  for (client& each : clients) asio::co_spawn(context, each.deposit(all), fail);
  context.run();
  return all.result();
}

}  // namespace load

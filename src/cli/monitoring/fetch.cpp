#include "monitoring/fetch.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <algorithm>
#include <cstdint>

#include "output.hpp"
#include "status.hpp"

namespace nori::cli {

namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::uint64_t page_bytes_max = std::uint64_t{16} << 20;
constexpr std::string_view usual_host = "127.0.0.1";
constexpr std::string_view usual_port = "8080";
constexpr std::string_view usual_path = "/metrics";

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         std::stoul(std::string(text)) <= 65535;
}

[[noreturn]] void give_up(const endpoint& from, const boost::system::error_code& why,
                          std::chrono::milliseconds timeout) {
  if (why == beast::error::timeout) {
    throw stop(status_failed,
               from.text() + ": no answer within " + std::to_string(timeout.count()) + " ms",
               "is the service stopped or overloaded? --timeout waits longer");
  }
  if (why == http::error::body_limit) {
    throw stop(status_failed, from.text() + ": the answer is larger than " +
                                  bytes_text(page_bytes_max) + ", so it is no page of metrics");
  }
  if (why.category() == http::make_error_code(http::error::bad_version).category()) {
    throw stop(status_failed, from.text() + ": the answer is no proper HTTP: " + why.message(),
               "does another program listen on port " + from.port + "?");
  }
  throw stop(status_not_there, from.text() + ": " + why.message(),
             "is the service running, and is this where it shows its metrics? nori top URL");
}

}  // namespace

std::string endpoint::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return "http://" + (v6 ? "[" + host + "]" : host) + ":" + port + path;
}

std::optional<endpoint> parse_endpoint(const std::string& text) {
  constexpr std::string_view scheme = "http://";
  std::string_view left = text;
  if (left.starts_with(scheme)) left.remove_prefix(scheme.size());
  if (left.empty() || left.find_first_of(" \t\r\n@") != std::string_view::npos ||
      left.find("://") != std::string_view::npos) {
    return std::nullopt;
  }
  endpoint made;
  const std::size_t slash = std::min(left.find('/'), left.size());
  made.path = left.substr(slash);
  if (made.path.empty() || made.path == "/") made.path = usual_path;
  left = left.substr(0, slash);
  if (left.starts_with('[')) {
    const std::size_t end = left.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    made.host = left.substr(1, end - 1);
    left.remove_prefix(end + 1);
  } else if (is_port(left)) {
    made.host = usual_host;
    made.port = left;
    return made;
  } else {
    const std::size_t colon = std::min(left.find(':'), left.size());
    made.host = left.substr(0, colon);
    left.remove_prefix(colon);
  }
  made.port = usual_port;
  if (!left.empty()) {
    left.remove_prefix(1);
    if (!is_port(left)) return std::nullopt;
    made.port = left;
  }
  if (made.host.empty()) return std::nullopt;
  return made;
}

asio::awaitable<std::string> fetch(endpoint from, std::chrono::milliseconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  boost::system::error_code error;
  auto into_error = asio::redirect_error(asio::use_awaitable, error);
  asio::ip::tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve(from.host, from.port, into_error);
  if (error) give_up(from, error, timeout);

  beast::tcp_stream stream(executor);
  // Once: what follows has this long altogether.
  stream.expires_after(timeout);
  co_await stream.async_connect(found, into_error);
  if (error) give_up(from, error, timeout);
  http::request<http::empty_body> request(http::verb::get, from.path, 11);
  request.set(http::field::host, from.host + ":" + from.port);
  request.set(http::field::user_agent, "nori/" NORI_VERSION);
  request.set(http::field::accept, "text/plain; version=0.0.4, */*;q=0.1");
  request.set(http::field::connection, "close");
  co_await http::async_write(stream, request, into_error);
  if (error) give_up(from, error, timeout);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> answer;
  answer.body_limit(page_bytes_max);
  co_await http::async_read(stream, buffer, answer, into_error);
  if (error) give_up(from, error, timeout);

  const http::status status = answer.get().result();
  if (status == http::status::ok) co_return std::move(answer.get().body());
  const std::string code = std::to_string(answer.get().result_int());
  const std::string reason(answer.get().reason());
  const std::string elsewhere(answer.get()[http::field::location]);
  std::string advice = "look into the service's own log";
  if (!elsewhere.empty()) {
    advice = "it says to look at " + elsewhere;
  } else if (status == http::status::not_found) {
    advice = "name the path where the service shows its metrics: nori top http://HOST:PORT/PATH";
  }
  throw stop(status_failed, from.text() + ": the answer is " + code + " " + reason, advice);
}

}  // namespace nori::cli

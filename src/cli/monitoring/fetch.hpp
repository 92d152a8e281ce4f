#ifndef NORI_CLI_MONITORING_FETCH_HPP
#define NORI_CLI_MONITORING_FETCH_HPP

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace nori::cli {

namespace asio = boost::asio;

/// Where a service shows its metrics.
struct endpoint {
  std::string host;
  std::string port;
  std::string path;

  [[nodiscard]] std::string text() const;
};

/// "http://host:port/path", "[::1]:9100", "host", "9100": port 8080 and path /metrics where it has
/// none. None where it is none of them.
[[nodiscard]] std::optional<endpoint> parse_endpoint(const std::string& text);

/// The body of the answer to GET, of at most 16 MiB.
/// @throws stop with status_not_there where nobody listens, with status_failed where the answer is
///   not to be used or does not come in time.
[[nodiscard]] asio::awaitable<std::string> fetch(endpoint from, std::chrono::milliseconds timeout);

}  // namespace nori::cli

#endif

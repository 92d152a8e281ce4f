#ifndef ACCOUNT_SERVER_HTTP_HPP
#define ACCOUNT_SERVER_HTTP_HPP

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace account_server {

namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;

using request = http::request<http::string_body>;
using response = http::response<http::string_body>;

// What is read of a request before anybody has looked at it.
inline constexpr std::size_t header_bytes_max = 8192;
inline constexpr std::size_t body_bytes_max = 4096;

/// Thrown for what a client has got wrong: 400, naming the field.
struct bad_input {
  std::string field;
  std::string message;
};

[[nodiscard]] response answer(http::status status, std::string_view content_type, std::string body);
[[nodiscard]] response answer(http::status status, const json::object& body);

/// A body with `error` and `message`, and what is added to it.
[[nodiscard]] response error(http::status status, std::string_view code, std::string_view message,
                             json::object more = {});
[[nodiscard]] response error(const bad_input& what);
/// 503, to be tried again.
[[nodiscard]] response unavailable(std::string_view code, std::string_view message);

}  // namespace account_server

#endif

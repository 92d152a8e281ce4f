#ifndef NORI_TEST_ACCOUNT_SERVER_CLIENT_HPP
#define NORI_TEST_ACCOUNT_SERVER_CLIENT_HPP

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace nori::server_test {

/// The other side has ended the connection.
struct hung_up : std::runtime_error {
  hung_up() : std::runtime_error("the server has hung up") {}
};

struct reply {
  int status = 0;
  std::map<std::string, std::string> headers;  ///< by their names in lower case
  std::string body;

  [[nodiscard]] boost::json::value json() const { return boost::json::parse(body); }
  /// A member of the body, by a JSON pointer.
  [[nodiscard]] boost::json::value at(std::string_view pointer) const {
    return json().at_pointer(boost::json::string_view(pointer.data(), pointer.size()));
  }
  /// The `error` of the body.
  [[nodiscard]] std::string error() const { return at("/error").as_string().c_str(); }
};

struct sse_message {
  std::string id;
  std::string event;
  std::string data;
  std::string comment;
};

/// A connection by hand: any bytes in any order. Everything throws after a time in which nothing
/// happens that is too long for anything but a hang.
class wire {
 public:
  explicit wire(std::uint16_t port, int receive_buffer_bytes = 0);
  ~wire();
  wire(wire&& other) noexcept;
  wire& operator=(wire&&) = delete;

  /// @throws hung_up
  void send(std::string_view bytes);
  /// False where it has hung up.
  bool try_send(std::string_view bytes);
  /// Of a request that was sent. @throws hung_up where there is none
  [[nodiscard]] reply read_reply();
  /// Only status and headers: a stream follows.
  [[nodiscard]] reply read_head();
  /// Of a stream. @throws hung_up where it was cut, `ended` where it was ended in good order
  struct ended {};
  [[nodiscard]] sse_message read_message();
  /// Waits until the server ends the connection, and throws away what comes before.
  void wait_for_end();
  /// Says that nothing more comes, and still listens.
  void shut_down_sending();
  /// Reads no more than is there.
  [[nodiscard]] int descriptor() const noexcept { return fd_; }

 private:
  bool receive();
  std::string read_line();
  std::string read_bytes(std::size_t count);
  std::string read_stream_line();

  int fd_ = -1;
  std::string got_;     // and not taken
  std::string stream_;  // of chunks that were taken apart
};

/// A request as text.
struct call {
  std::string method = "GET";
  std::string path = "/";
  std::map<std::string, std::string> headers;
  std::optional<std::string> body;

  [[nodiscard]] std::string text() const;
};

}  // namespace nori::server_test

#endif

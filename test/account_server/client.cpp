#include "client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace nori::server_test {

namespace {

constexpr int patience_ms = 60'000;

void wait_until(int fd, short events) {
  pollfd one{fd, events, 0};
  for (;;) {
    const int count = ::poll(&one, 1, patience_ms);
    if (count > 0) return;
    if (count == 0) throw std::runtime_error("nothing comes from the server, or it takes nothing");
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  }
}

}  // namespace

wire::wire(std::uint16_t port, int receive_buffer_bytes)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer_bytes > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    const int why = errno;
    ::close(fd_);
    throw std::system_error(why, std::generic_category(), "connect");
  }
}
wire::~wire() {
  if (fd_ >= 0) ::close(fd_);
}
wire::wire(wire&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      got_(std::move(other.got_)),
      stream_(std::move(other.stream_)) {}

bool wire::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    wait_until(fd_, POLLOUT);
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}
void wire::send(std::string_view bytes) {
  if (!try_send(bytes)) throw hung_up();
}

bool wire::receive() {
  std::array<char, 4096> some{};
  for (;;) {
    wait_until(fd_, POLLIN);
    const ssize_t count = ::recv(fd_, some.data(), some.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    got_.append(some.data(), static_cast<std::size_t>(count));
    return true;
  }
}

std::string wire::read_line() {
  for (;;) {
    if (const std::size_t end = got_.find("\r\n"); end != std::string::npos) {
      std::string line = got_.substr(0, end);
      got_.erase(0, end + 2);
      return line;
    }
    if (!receive()) throw hung_up();
  }
}

std::string wire::read_bytes(std::size_t count) {
  while (got_.size() < count) {
    if (!receive()) throw hung_up();
  }
  std::string bytes = got_.substr(0, count);
  got_.erase(0, count);
  return bytes;
}

reply wire::read_head() {
  reply got;
  const std::string line = read_line();
  if (!line.starts_with("HTTP/1.")) throw std::runtime_error("no status line: " + line);
  got.status = std::stoi(line.substr(9, 3));
  for (std::string each = read_line(); !each.empty(); each = read_line()) {
    const std::size_t colon = each.find(": ");
    std::string name = each.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    got.headers[name] = each.substr(std::min(colon, each.size() - 2) + 2);
  }
  return got;
}

reply wire::read_reply() {
  reply got = read_head();
  if (got.status == 100) return got;
  got.body = read_bytes(std::stoul(got.headers.at("content-length")));
  return got;
}

std::string wire::read_stream_line() {
  for (;;) {
    if (const std::size_t end = stream_.find('\n'); end != std::string::npos) {
      std::string line = stream_.substr(0, end);
      stream_.erase(0, end + 1);
      return line;
    }
    const std::size_t size = std::stoul(read_line(), nullptr, 16);
    if (size == 0) throw ended();
    stream_ += read_bytes(size);
    read_line();
  }
}

sse_message wire::read_message() {
  sse_message got;
  for (std::string line = read_stream_line(); !line.empty(); line = read_stream_line()) {
    if (line.starts_with("id: ")) got.id = line.substr(4);
    if (line.starts_with("event: ")) got.event = line.substr(7);
    if (line.starts_with("data: ")) got.data = line.substr(6);
    if (line.starts_with(": ")) got.comment = line.substr(2);
  }
  return got;
}

void wire::wait_for_end() {
  while (receive()) got_.clear();
}

void wire::shut_down_sending() { ::shutdown(fd_, SHUT_WR); }

std::string call::text() const {
  std::string made = method + ' ' + path + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [name, value] : headers) made += name + ": " + value + "\r\n";
  if (body) made += "Content-Length: " + std::to_string(body->size()) + "\r\n";
  return made + "\r\n" + body.value_or("");
}

}  // namespace nori::server_test

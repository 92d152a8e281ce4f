#ifndef NORI_TEST_ACCOUNT_SERVER_SERVER_PROCESS_HPP
#define NORI_TEST_ACCOUNT_SERVER_SERVER_PROCESS_HPP

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "client.hpp"

namespace nori::server_test {

/// The built server, as a process of its own on a free port of the loopback interface.
///
/// Whatever it answers through ask(), get() and post() is held against its own OpenAPI description.
class server {
 public:
  /// Waits until it listens. `before` are words that run it, such as strace and its options.
  /// @throws std::runtime_error with what it wrote where it does not come to that
  explicit server(std::filesystem::path dir, std::vector<std::string> options = {},
                  std::vector<std::string> before = {});
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const std::string& token() const noexcept { return token_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// What it has written to its log so far.
  [[nodiscard]] std::string log() const;

  void signal(int number) const noexcept;
  /// The exit status, or minus the number of the signal that ended it.
  int wait();
  /// SIGTERM, and waits.
  int stop();

  [[nodiscard]] wire connect() const { return wire(port_); }
  /// On a connection of its own.
  reply ask(const call& what);
  reply get(const std::string& path);
  /// With the token, and everything that a command needs.
  reply post(const std::string& path, const std::string& body, const std::string& key);
  [[nodiscard]] call command(const std::string& path, const std::string& body,
                             const std::string& key) const;
  /// Sends a request for a stream, checks that it begins.
  [[nodiscard]] wire subscribe(const std::string& query = {}, const std::string& last_id = {},
                               int receive_buffer_bytes = 0);

 private:
  std::filesystem::path dir_;
  pid_t pid_ = -1;
  int status_ = 0;
  std::uint16_t port_ = 0;
  std::string token_;
  boost::json::value description_;
};

/// Runs the server until it ends by itself: how, and what it wrote.
struct ended_server {
  int status = -1;
  std::string text;
};
[[nodiscard]] ended_server run_server(const std::vector<std::string>& words);

}  // namespace nori::server_test

#endif

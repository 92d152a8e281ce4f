#ifndef ACCOUNT_SERVER_OPTIONS_HPP
#define ACCOUNT_SERVER_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <nori/config.hpp>

namespace account_server {

struct options {
  std::filesystem::path dir;  ///< of everything; created with mode 0700
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0: any that is free
  std::size_t threads = 1;
  std::filesystem::path token_file;  ///< empty: `token` in `dir`
  std::filesystem::path tls_certificate;
  std::filesystem::path tls_key;
  bool insecure = false;  ///< plain HTTP to other machines, too
  nori::backend backend = nori::backend::automatic;
  bool log_requests = false;

  std::size_t connections_max = 1024;
  std::size_t commands_max = 768;  ///< read and not answered
  std::size_t subscriptions_max = 64;
  std::chrono::seconds idle_max{60};     ///< between two requests of a connection
  std::chrono::seconds request_max{10};  ///< from the first byte of a request to its last
  std::chrono::seconds write_max{10};    ///< for a response, or one message to a reader of /events
  std::chrono::seconds quiet_max{15};    ///< after which a reader of /events is told `alive`
  std::chrono::seconds drain_max{20};    ///< from SIGTERM to the end

  [[nodiscard]] bool tls() const noexcept { return !tls_certificate.empty(); }
};

/// What the command line says. Nothing: it has been answered, and the program ends with `status`.
/// @throws std::runtime_error for what does not go together
[[nodiscard]] std::optional<options> parse_options(int argc, char* argv[], int& status);

}  // namespace account_server

#endif

#include "options.hpp"

#include <boost/asio/ip/address.hpp>

#include <CLI/CLI.hpp>

#include <map>
#include <stdexcept>

namespace account_server {

std::optional<options> parse_options(int argc, char* argv[], int& status) {
  options given;
  const auto seconds = [](std::chrono::seconds& into) {
    return [&into](const std::int64_t& value) { into = std::chrono::seconds(value); };
  };
  CLI::App app("Serves accounts over HTTP; their events are kept in DIRECTORY.", "account_server");
  app.add_option("directory", given.dir, "Where everything is kept")->required();
  app.add_option("--listen", given.address, "Address to listen on")->capture_default_str();
  app.add_option("--port", given.port, "0: any that is free")->capture_default_str();
  app.add_option("--threads", given.threads)->check(CLI::Range(1, 64))->capture_default_str();
  app.add_option("--token-file", given.token_file, "Default: DIRECTORY/token");
  app.add_option("--tls-certificate", given.tls_certificate, "PEM: the chain, own one first");
  app.add_option("--tls-key", given.tls_key, "PEM");
  app.add_flag("--insecure", given.insecure, "Plain HTTP to other machines, too");
  app.add_option("--backend", given.backend, "How the log reaches the disk")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, nori::backend>{{"automatic", nori::backend::automatic},
                                               {"uring", nori::backend::uring},
                                               {"threads", nori::backend::threads}}));
  app.add_flag("--log-requests", given.log_requests, "A line for each request");
  const CLI::Range some(1, 1000000);
  app.add_option("--connections-max", given.connections_max)->check(some)->capture_default_str();
  app.add_option("--commands-max", given.commands_max, "Commands that are read and not answered")
      ->check(some)
      ->capture_default_str();
  app.add_option("--subscriptions-max", given.subscriptions_max, "Readers of /events")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  const CLI::Range time(1, 86400);
  const auto add_seconds = [&](const char* name, std::chrono::seconds& into, const char* text) {
    app.add_option_function<std::int64_t>(name, seconds(into), text)
        ->check(time)
        ->default_str(std::to_string(into.count()));
  };
  add_seconds("--idle-seconds", given.idle_max, "Between two requests of a connection");
  add_seconds("--request-seconds", given.request_max, "For a request to come as a whole");
  add_seconds("--write-seconds", given.write_max, "For a response to be taken");
  add_seconds("--alive-seconds", given.quiet_max, "Between signs of life to readers of /events");
  add_seconds("--drain-seconds", given.drain_max, "To answer what was accepted, after SIGTERM");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // 0 for --help.
    status = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  if (given.token_file.empty()) given.token_file = given.dir / "token";
  if (given.tls_certificate.empty() != given.tls_key.empty()) {
    throw std::runtime_error("--tls-certificate and --tls-key go together");
  }
  boost::system::error_code failed;
  const auto address = boost::asio::ip::make_address(given.address, failed);
  if (failed) throw std::runtime_error("--listen takes an IP address: " + given.address);
  if (!address.is_loopback() && !given.tls() && !given.insecure) {
    throw std::runtime_error(given.address +
                             " can be reached by others, who would send the token in plain text: "
                             "give --tls-certificate and --tls-key, or --insecure where something "
                             "else encrypts");
  }
  return given;
}

}  // namespace account_server

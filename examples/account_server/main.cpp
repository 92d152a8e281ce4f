// Accounts over HTTP: nori's event store within a service, in one process. openapi.json says what
// it answers, --help how it is started.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>

#include <csignal>
#include <exception>
#include <iostream>
#include <optional>
#include <thread>
#include <vector>

#include "options.hpp"
#include "server.hpp"

int main(int argc, char* argv[]) {
  using namespace account_server;
  enum exit_code { ended = 0, failed = 1, bad_usage = 2 };
  std::optional<options> how;
  try {
    int status = ended;
    how = parse_options(argc, argv, status);
    if (!how) return status;
  } catch (const std::exception& wrong) {
    std::cerr << "account_server: " << wrong.what() << '\n';
    return bad_usage;
  }
  try {
    // A reader that has hung up is an error of the write, no reason to die.
    std::signal(SIGPIPE, SIG_IGN);
    const int threads = static_cast<int>(how->threads);
    asio::io_context context(threads);
    auto work = asio::make_work_guard(context);
    std::exception_ptr failure;
    // Each connection has a strand of its own, too; so it makes no difference how many threads
    // there are.
    const asio::any_io_executor executor = asio::any_io_executor(context.get_executor());
    asio::co_spawn(asio::make_strand(executor), run_server(*how, executor),
                   [&](std::exception_ptr error) {
                     failure = error;
                     work.reset();
                     context.stop();
                   });
    {
      std::vector<std::jthread> others;
      for (int i = 1; i < threads; ++i) others.emplace_back([&context] { context.run(); });
      context.run();
    }
    if (failure) std::rethrow_exception(failure);
    return ended;
  } catch (const std::exception& error) {
    std::cerr << "account_server: " << error.what() << '\n';
    return failed;
  }
}

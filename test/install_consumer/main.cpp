// Somebody else's program: it sees the installed library and nothing of this tree.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <utility>

#include <nori/wal.hpp>

namespace asio = boost::asio;

asio::awaitable<void> append_and_read(std::filesystem::path dir) {
  // Named: g++ 12 destroys a temporary that owns memory twice in a co_await expression.
  nori::config options(std::move(dir));
  auto [log, recovered] = co_await nori::wal::open(std::move(options));
  const nori::position at = co_await log.append({.key = "greeting", .value = "hello"});

  nori::reader reader = log.read_from(at);
  const auto entry = co_await reader.next();
  if (!entry || entry->key != "greeting" || entry->value != "hello") std::abort();
  std::cout << entry->key << ": " << entry->value << '\n';

  co_await log.close();
}

int main(int argc, char* argv[]) {
  if (argc != 2) return 2;
  asio::io_context context;
  std::exception_ptr failure;
  asio::co_spawn(context, append_and_read(argv[1]), [&](std::exception_ptr e) { failure = e; });
  context.run();
  if (failure) std::rethrow_exception(failure);
}

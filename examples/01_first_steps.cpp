#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>
#include <nori/nori.hpp>

boost::asio::awaitable<void> first_steps(nori::config options) {
  auto [log, recovered] = co_await nori::wal::open(options);
  std::cout << recovered.valid_records << " records recovered\n";

  co_await log.append({.key = "order-1", .value = "paid"});  // on the device when this returns

  nori::reader reader = log.read_from(nori::position{});
  while (const auto entry = co_await reader.next())
    std::cout << entry->key << ": " << entry->value << '\n';
  co_await log.close();
}

int main(int argc, char* argv[]) {
  nori::config options(argc > 1 ? argv[1] : "orders");
  options.fsync = nori::fsync_policy::always();
  boost::asio::io_context context;
  boost::asio::co_spawn(context, first_steps(options), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

#ifndef NORI_EXAMPLES_EXAMPLE_HPP
#define NORI_EXAMPLES_EXAMPLE_HPP

// What the numbered examples of the event store share: a main, and a way to say what has to hold.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <source_location>
#include <stdexcept>
#include <string>

#include <nori/nori.hpp>

namespace asio = boost::asio;

/// Ends the example with an error where what it shows does not hold.
inline void check(bool holds, std::source_location where = std::source_location::current()) {
  if (!holds) throw std::runtime_error("line " + std::to_string(where.line()) + " does not hold");
}

/// Runs an example with a store in the directory that the command line names, which is to be empty.
inline int run(int argc, char* argv[], asio::awaitable<void> (*shown)(nori::store_config)) {
  try {
    nori::store_config options(argc > 1 ? argv[1] : "events");
    options.log.fsync = nori::fsync_policy::always();
    asio::io_context context;
    asio::co_spawn(context, shown(options), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    context.run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << argv[0] << ": " << error.what() << '\n';
    return 1;
  }
}

#endif

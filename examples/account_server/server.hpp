#ifndef ACCOUNT_SERVER_SERVER_HPP
#define ACCOUNT_SERVER_SERVER_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "options.hpp"

namespace account_server {

namespace asio = boost::asio;

/// Serves until SIGTERM or SIGINT, then drains: accepts nothing more, answers what it has begun to
/// read, ends the streams of events, and closes the store. A second signal, or drain_max, ends the
/// process at once with a status that is not 0; what was answered is durable all the same.
///
/// To be run on a strand of `context`, where each connection gets another one. The context must be
/// run until it is done.
/// @throws what opening and listening throw
[[nodiscard]] asio::awaitable<void> run_server(options how, asio::any_io_executor context);

}  // namespace account_server

#endif

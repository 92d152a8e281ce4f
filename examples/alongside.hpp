#ifndef NORI_EXAMPLES_ALONGSIDE_HPP
#define NORI_EXAMPLES_ALONGSIDE_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

/// Does the work while a service runs that never ends by itself, such as projection::run: it is
/// cancelled when the work is done or has failed. When the service fails, so does the work.
///
/// Asio's operator || is not meant for this: it waits for a success, so that work that has failed
/// would leave one waiting for ever.
inline boost::asio::awaitable<void> alongside(boost::asio::awaitable<void> service,
                                              boost::asio::awaitable<void> work) {
  namespace asio = boost::asio;
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto both = asio::experimental::make_parallel_group(
      asio::co_spawn(executor, std::move(service), asio::deferred),
      asio::co_spawn(executor, std::move(work), asio::deferred));
  const auto [order, service_error, work_error] =
      co_await both.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const bool service_ended_first = order[0] == 0;
  if (service_ended_first && service_error) std::rethrow_exception(service_error);
  if (work_error) std::rethrow_exception(work_error);
}

#endif

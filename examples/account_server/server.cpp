#include "server.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "connection.hpp"
#include "log.hpp"
#include "service.hpp"
#include "tls.hpp"

namespace account_server {

namespace {

using namespace std::chrono_literals;

enum exit_code { ended_by_second_signal = 3, drained_too_long = 4 };

// Each connection takes a descriptor; the store and the rest take fewer than a hundred.
void allow_descriptors(std::size_t connections_max) {
  rlimit now{};
  if (::getrlimit(RLIMIT_NOFILE, &now) != 0) return;
  const rlim_t wanted = std::min<rlim_t>(now.rlim_max, connections_max + 256);
  if (now.rlim_cur >= wanted) return;
  now.rlim_cur = wanted;
  ::setrlimit(RLIMIT_NOFILE, &now);
}

tcp::acceptor listen_on(const asio::any_io_executor& executor, const options& how) {
  tcp::acceptor made(executor);
  const tcp::endpoint where(asio::ip::make_address(how.address), how.port);
  made.open(where.protocol());
  made.set_option(tcp::acceptor::reuse_address(true));
  made.bind(where);
  made.listen();
  return made;
}

asio::awaitable<void> accept(asio::any_io_executor context, tcp::acceptor& acceptor, service& in,
                             connections& all, asio::ssl::context* tls) {
  // Those who are turned away are told so, as long as that is no burden itself.
  constexpr std::size_t turned_away_at_once_max = 64;
  constexpr int send_buffer_bytes = 64 << 10;
  const auto turning = std::make_shared<std::atomic<std::size_t>>(0);
  asio::steady_timer pause(co_await asio::this_coro::executor);
  while (acceptor.is_open()) {
    boost::system::error_code failed;
    tcp::socket socket = co_await acceptor.async_accept(
        asio::make_strand(context), asio::redirect_error(asio::use_awaitable, failed));
    if (failed == asio::error::operation_aborted || !acceptor.is_open()) co_return;
    if (failed) {
      // No descriptor is left, say. The connection waits, so going on at once would be a busy loop.
      log_line("error", "accept_failed", {{"why", failed.message()}});
      pause.expires_after(100ms);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
      continue;
    }
    socket.set_option(tcp::no_delay(true), failed);
    // What a slow reader has not taken waits here; by itself the kernel lets it grow to megabytes.
    socket.set_option(tcp::socket::send_buffer_size(send_buffer_bytes), failed);
    const asio::any_io_executor strand = socket.get_executor();
    if (in.connections < in.how.connections_max) {
      ++in.connections;  // serve takes it back
      asio::co_spawn(strand, serve(in, all, std::move(socket), tls), asio::detached);
      continue;
    }
    in.meter->add(metrics::connections_refused, 1, {});
    if (tls != nullptr || *turning >= turned_away_at_once_max) continue;
    ++*turning;
    asio::co_spawn(strand, turn_away(std::move(socket)),
                   [turning](std::exception_ptr) { --*turning; });
  }
}

// The view of the balances; stops when the signal is emitted, having saved it.
asio::awaitable<void> project(service& in) {
  try {
    co_await in.view->run();
  } catch (const boost::system::system_error& ended) {
    if (ended.code() == asio::error::operation_aborted) co_return;
    in.set_projection_failure(ended.what());
    log_line("error", "projection_failed", {{"why", ended.what()}});
  }
}

[[noreturn]] void end_at_once(exit_code code, std::string_view what) {
  log_line("error", what);
  std::_Exit(code);
}

}  // namespace

asio::awaitable<void> run_server(options how, asio::any_io_executor context) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  asio::signal_set signals(executor, SIGTERM, SIGINT);
  std::optional<asio::ssl::context> tls;
  if (how.tls()) tls.emplace(tls_context(how.tls_certificate, how.tls_key));
  allow_descriptors(how.connections_max);
  const std::unique_ptr<service> in = co_await service::open(std::move(how));
  connections all;
  asio::cancellation_signal stop_projection;
  const auto projection_done =
      std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  asio::co_spawn(
      executor, project(*in),
      asio::bind_cancellation_slot(stop_projection.slot(), [projection_done](std::exception_ptr) {
        projection_done->expires_at(asio::steady_timer::time_point::min());
      }));

  tcp::acceptor acceptor = listen_on(executor, in->how);
  asio::co_spawn(executor, accept(context, acceptor, *in, all, tls ? &*tls : nullptr),
                 asio::detached);
  const tcp::endpoint where = acceptor.local_endpoint();
  log_line("info", "listening", {{"port", where.port()}, {"tls", in->how.tls()}});
  const std::string host = where.address().is_v6() ? '[' + where.address().to_string() + ']'
                                                   : where.address().to_string();
  std::cout << (in->how.tls() ? "https://" : "http://") << host << ':' << where.port() << '/'
            << std::endl;

  co_await signals.async_wait(asio::use_awaitable);
  log_line("info", "stopping", {{"connections", all.count()}});
  in->stopping = true;
  boost::system::error_code ignored;
  acceptor.close(ignored);
  signals.async_wait([](boost::system::error_code failed, int) {
    if (!failed) end_at_once(ended_by_second_signal, "ended_by_second_signal");
  });
  asio::steady_timer longest(executor, in->how.drain_max);
  longest.async_wait([](boost::system::error_code failed) {
    if (!failed) end_at_once(drained_too_long, "drained_too_long");
  });

  asio::steady_timer empty(executor, asio::steady_timer::time_point::max());
  all.stop();
  all.when_empty([&] { asio::post(executor, [&] { empty.cancel(); }); });
  co_await empty.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  stop_projection.emit(asio::cancellation_type::terminal);
  co_await projection_done->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  co_await in->store.close();
  log_line("info", "stopped");
}

}  // namespace account_server

// What the library offers, a function per task. README.md quotes the bodies.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>

#include <nori/nori.hpp>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

void apply(const nori::entry& entry) { std::cout << "  " << entry.key << '\n'; }

void check(bool holds) {
  if (!holds) std::abort();
}

asio::awaitable<void> append(nori::wal& log) {
  const nori::position at = co_await log.append({.key = "order-1", .value = "paid"});

  nori::record session = nori::record::put_with_ttl("session-7", "a long value", 30min);
  session.compress = nori::compression::zstd;
  const nori::position later = co_await log.append(session);
  check(at < later);
}

asio::awaitable<void> append_batch(nori::wal& log) {
  const std::array<nori::record_view, 2> transfer = {
      {{.key = "alice", .value = "-100"}, {.key = "bob", .value = "+100"}}};
  const nori::batch_positions at = co_await log.append_batch(transfer);
  check(at.first < at.last);
}

asio::awaitable<void> append_now(nori::wal& log) {
  const auto accepted = log.try_append({.key = "click", .value = "42"});
  if (!accepted) {
    std::cerr << "dropped: " << accepted.error().message() << '\n';
  } else {
    co_await log.sync();
    co_await log.wait_durable(*accepted);  // under os something has to have started a sync
  }
}

asio::awaitable<void> read(nori::wal& log) {
  nori::position checkpoint;  // before every record
  nori::reader reader = log.read_from(checkpoint);
  while (const auto entry = co_await reader.next()) {
    apply(*entry);
    checkpoint = entry->next;  // read_from(checkpoint) goes on behind this record
  }
  check(checkpoint == reader.at());
}

asio::awaitable<void> follow(nori::wal& log, nori::position checkpoint) {
  nori::read_options live;
  live.follow = true;
  live.sees = nori::visibility::durable;
  nori::reader reader = log.read_from(checkpoint, live);
  try {
    while (true) {
      for (const nori::entry& entry : co_await reader.next_batch()) apply(entry);
    }
  } catch (const boost::system::system_error& error) {
    if (error.code() != nori::errc::closed) throw;
  }
}

asio::awaitable<void> append_in_time(nori::wal& log) {
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer deadline(co_await asio::this_coro::executor, 2s);
  const auto winner = co_await (log.append({.key = "order-2", .value = "paid"}) ||
                                deadline.async_wait(asio::use_awaitable));
  if (winner.index() == 1) std::cerr << "too late: it may or may not have been appended\n";
}

asio::awaitable<void> forget(nori::wal& log, nori::position checkpoint) {
  const nori::deleted_segments gone = co_await log.delete_segments_before(checkpoint);
  std::cout << gone.segments << " segments, " << gone.bytes << " bytes deleted\n";
}

asio::awaitable<void> every_task(std::filesystem::path dir) {
  nori::config options(dir);
  options.fsync = nori::fsync_policy::batch(20ms);
  options.segment_bytes_max = 1 << 20;
  options.buffer_bytes_max = 256 << 10;
  auto [log, recovered] = co_await nori::wal::open(options);
  const asio::any_io_executor executor = co_await asio::this_coro::executor;

  std::exception_ptr failure;
  bool followed = false;
  asio::steady_timer ended(executor, asio::steady_timer::time_point::max());
  asio::co_spawn(executor, follow(log, nori::position{}), [&](std::exception_ptr error) {
    failure = error;
    followed = true;
    ended.cancel();
  });
  co_await append(log);
  co_await append_batch(log);
  co_await append_now(log);
  co_await append_in_time(log);
  co_await read(log);
  co_await forget(log, log.current_position());
  co_await log.close();

  boost::system::error_code cancelled;
  if (!followed) co_await ended.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

int main(int argc, char* argv[]) {
  asio::io_context context;
  const std::filesystem::path dir = argc > 1 ? argv[1] : "log";
  asio::co_spawn(context, every_task(dir), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  context.run();
}

#include "workload/echo.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "workload/context.hpp"

namespace nori::bench {

namespace {

using asio::ip::tcp;

constexpr std::size_t message_bytes = 64;

// An append that need not wait does not suspend. A service appends for a request and then lets
// others in; a writer here after some records.
constexpr std::uint64_t records_between_yields = 64;

// Counts coroutines that were started and have not ended.
class running_count {
 public:
  explicit running_count(turn& now) : now_(now) {}

  void start(asio::io_context& on, asio::awaitable<void> what) {
    ++running_;
    asio::co_spawn(on, std::move(what), [this](std::exception_ptr error) {
      if (error) now_.fail(error);
      end();
    });
  }
  /// Of whoever called the constructor: no more will be started by it.
  void end() {
    if (--running_ == 0) all_ended_.set_value();
  }
  void wait() { all_ended_.get_future().wait(); }

 private:
  turn& now_;
  std::atomic<std::uint64_t> running_ = 1;
  std::promise<void> all_ended_;
};

asio::awaitable<void> answer(tcp::socket peer) {
  std::array<char, message_bytes> message;
  for (;;) {
    boost::system::error_code ended;
    const std::size_t count = co_await peer.async_read_some(
        asio::buffer(message), asio::redirect_error(asio::use_awaitable, ended));
    if (ended) co_return;
    co_await asio::async_write(peer, asio::buffer(message, count), asio::use_awaitable);
  }
}

// Everything referred to outlives the coroutines.
asio::awaitable<void> accept(asio::io_context& on, tcp::acceptor& from, std::uint64_t connections,
                             running_count& running) {
  for (std::uint64_t i = 0; i < connections; ++i) {
    tcp::socket peer = co_await from.async_accept(asio::use_awaitable);
    peer.set_option(tcp::no_delay(true));
    running.start(on, answer(std::move(peer)));
  }
}

asio::awaitable<void> ask(tcp::endpoint server, turn& now, tally& mine) {
  tcp::socket peer(co_await asio::this_coro::executor);
  co_await peer.async_connect(server, asio::use_awaitable);
  peer.set_option(tcp::no_delay(true));
  std::array<char, message_bytes> message{};
  while (now.now() != phase::over) {
    const auto started = clock::now();
    co_await asio::async_write(peer, asio::buffer(message), asio::use_awaitable);
    co_await asio::async_read(peer, asio::buffer(message), asio::use_awaitable);
    now.note_latency(clock::now() - started);
    mine.add(1);
  }
}

struct log_job {
  wal& log;
  const turn& now;
  std::span<const record_view> records;
};

asio::awaitable<void> append(const log_job& what, std::atomic<std::uint64_t>& measured) {
  wal& log = what.log;
  std::uint64_t until_yield = records_between_yields;
  while (what.now.now() != phase::over) {
    if (what.records.size() == 1) {
      co_await log.append(what.records.front());
    } else {
      co_await log.append_batch(what.records);
    }
    if (what.now.now() == phase::measured) {
      measured.fetch_add(what.records.size(), std::memory_order_relaxed);
    }
    if (until_yield > what.records.size()) {
      until_yield -= what.records.size();
      continue;
    }
    until_yield = records_between_yields;
    co_await asio::post(asio::use_awaitable);
  }
}

}  // namespace

echo_result echo(const echo_load& load, const std::filesystem::path& scratch,
                 const std::filesystem::path* log_dir, double seconds) {
  const append_load& appends = load.appends;
  const std::size_t threads = static_cast<std::size_t>(appends.log.threads);
  turn now(seconds, load.connections, threads + 1);
  context serving(threads, [&](std::size_t thread) { now.use_histogram(thread); });
  context asking(1, [&](std::size_t) { now.use_histogram(threads); });
  std::optional<open_log> log;
  if (log_dir != nullptr) log.emplace(serving, config_of(appends.log, appends.policy, *log_dir));

  running_count running(now);
  tcp::acceptor acceptor(serving.io(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  running.start(serving.io(), accept(serving.io(), acceptor, load.connections, running));
  for (std::uint64_t i = 0; i < load.connections; ++i) {
    running.start(asking.io(), ask(acceptor.local_endpoint(), now, now.tally_of(i)));
  }

  const std::string value = make_value(appends.log.size);
  const std::vector<record_view> records(appends.batch, record_view{.value = value});
  std::atomic<std::uint64_t> measured = 0;
  std::optional<log_job> what;
  if (log) {
    what.emplace(log_job{**log, now, records});
    for (std::uint64_t i = 0; i < appends.writers; ++i) {
      running.start(serving.io(), append(*what, measured));
    }
  }
  now.keep_time(scratch);
  running.end();
  running.wait();
  echo_result made{now.result(1)};
  made.appends_per_s = static_cast<double>(measured) / made.echoes.seconds;
  if (log) log->close();
  return made;
}

}  // namespace nori::bench

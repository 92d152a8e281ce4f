#ifndef NORI_BENCH_WORKLOAD_CONTEXT_HPP
#define NORI_BENCH_WORKLOAD_CONTEXT_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <nori/wal.hpp>

#include "common/options.hpp"

namespace nori::bench {

/// An io_context run by some threads, until `stop`.
class context {
 public:
  /// `begin` is called on each thread with its number, before it runs anything.
  context(std::size_t threads, const std::function<void(std::size_t)>& begin);
  ~context();
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  [[nodiscard]] asio::io_context& io() noexcept { return io_; }

  /// Runs a coroutine to its end while the calling thread waits.
  template <typename T>
  T run(asio::awaitable<T> what) {
    return asio::co_spawn(io_, std::move(what), asio::use_future).get();
  }

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

[[nodiscard]] nori::config config_of(const log_options& options, fsync_policy policy,
                                     const std::filesystem::path& dir);

/// A log that is opened and closed by a thread that runs no coroutines.
class open_log {
 public:
  open_log(context& on, const nori::config& options);
  ~open_log();

  [[nodiscard]] wal& operator*() noexcept { return *log_; }
  [[nodiscard]] wal* operator->() noexcept { return &*log_; }
  void close();

 private:
  context& on_;
  std::optional<wal> log_;
};

/// The value that is appended: `size` bytes that do not compress.
[[nodiscard]] std::string make_value(std::uint64_t size);

/// What the log takes for one record of such a value: found by appending to one in `scratch`.
struct framing {
  std::size_t frame_bytes;
  nori::backend backend;  ///< the one in use
};
[[nodiscard]] framing find_framing(const log_options& options,
                                   const std::filesystem::path& scratch);

}  // namespace nori::bench

#endif

#ifndef NORI_STORAGE_WORKERS_HPP
#define NORI_STORAGE_WORKERS_HPP

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "storage/parked_handler.hpp"

namespace nori::storage {

namespace asio = boost::asio;

/// Something that a worker thread does. Linked into the queue by itself: queueing allocates
/// nothing.
class job {
 public:
  /// On a worker thread. The job may be gone when this returns.
  virtual void run() noexcept = 0;
  /// Instead of run, when the workers end before its turn. The job may be gone when this returns.
  virtual void drop() noexcept = 0;

  job* next = nullptr;  ///< the workers' own

 protected:
  job() = default;
  ~job() = default;
  job(const job&) = delete;
  job& operator=(const job&) = delete;
};

/// A few threads for what blocks. The first is started at once, others when all are busy.
///
/// @par Thread safety
/// Safe to use from any thread, its own included.
class workers {
 public:
  /// @throws std::system_error when no thread can be started.
  explicit workers(std::size_t threads_max);
  ~workers();
  workers(const workers&) = delete;
  workers& operator=(const workers&) = delete;

  /// Queues `what`. False, and nothing happened, after shutdown has begun.
  [[nodiscard]] bool submit(job& what) noexcept;

  /// Called by a job that has run: calls `deliver`, which must not block, unless shutdown has
  /// begun; then shutdown drops the job once this thread has ended.
  void hand_back(job& done, void (*deliver)(job&) noexcept) noexcept;

  /// Waits for the jobs that run, and drops those that wait, on this thread. Does not wait for the
  /// job that it is called from.
  void shutdown() noexcept;

 private:
  struct state;
  static void work(const std::shared_ptr<state>& shared) noexcept;
  static void start_thread(const std::shared_ptr<state>& shared);

  std::shared_ptr<state> state_;
};

/// Workers that are shut down when the execution context goes away, before what they deliver to
/// does.
[[nodiscard]] std::shared_ptr<workers> workers_of(asio::execution_context& context,
                                                  std::size_t threads_max);

namespace detail {

template <typename Result>
struct outcome {
  std::optional<Result> value;
  std::exception_ptr error;

  template <typename Function>
  void set(Function& function) noexcept {
    try {
      value.emplace(function());
    } catch (...) {
      error = std::current_exception();
    }
  }
  Result get() {
    if (error) std::rethrow_exception(std::move(error));
    return std::move(*value);
  }
};

template <>
struct outcome<void> {
  std::exception_ptr error;

  template <typename Function>
  void set(Function& function) noexcept {
    try {
      function();
    } catch (...) {
      error = std::current_exception();
    }
  }
  void get() {
    if (error) std::rethrow_exception(std::move(error));
  }
};

// Lies, as `function` and `into` do, in the waiting coroutine's frame.
template <typename Function, typename Result>
class waiting_job final : public job {
 public:
  waiting_job(workers& pool, Function& function, outcome<Result>& into) noexcept
      : pool_(pool), function_(function), into_(into) {}

  void run() noexcept override {
    into_.set(function_);
    pool_.hand_back(*this,
                    [](job& self) noexcept { static_cast<waiting_job&>(self).parked.post(); });
  }
  void drop() noexcept override { parked.destroy(); }

  parked_handler parked;

 private:
  workers& pool_;
  Function& function_;
  outcome<Result>& into_;
};

}  // namespace detail

/// Runs `function` on a worker thread; returns its result, or throws its exception, on the
/// caller's executor. After the workers' shutdown the coroutine is destroyed un-resumed.
template <typename Function>
[[nodiscard]] asio::awaitable<std::invoke_result_t<Function&>> on_worker(
    std::shared_ptr<workers> pool, Function function) {
  using result = std::invoke_result_t<Function&>;
  detail::outcome<result> into;
  detail::waiting_job<Function, result> waiting(*pool, function, into);
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [&](auto&& handler) {
        waiting.parked.store(std::move(handler), true);
        if (!pool->submit(waiting)) waiting.drop();
      },
      asio::use_awaitable);
  co_return into.get();
}

}  // namespace nori::storage

#endif

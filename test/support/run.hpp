#ifndef NORI_TEST_SUPPORT_RUN_HPP
#define NORI_TEST_SUPPORT_RUN_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace nori::test {

namespace asio = boost::asio;

/// Something hangs when it takes this long.
inline constexpr auto patience = std::chrono::seconds(60);

/// A coroutine that was started and is on its way: what it returned or threw, once it is done.
template <typename Result>
class task {
 public:
  using stored = std::conditional_t<std::is_void_v<Result>, bool, Result>;

  template <typename Executor>
  task(const Executor& executor, asio::awaitable<Result> what) : state_(std::make_shared<state>()) {
    asio::co_spawn(executor, store(std::move(what), state_), forget{state_});
  }
  /// With the slot bound: emit() on the signal cancels it.
  template <typename Executor, typename Slot>
  task(const Executor& executor, asio::awaitable<Result> what, Slot slot)
      : state_(std::make_shared<state>()) {
    asio::co_spawn(executor, store(std::move(what), state_),
                   asio::bind_cancellation_slot(slot, forget{state_}));
  }

  [[nodiscard]] bool done() const noexcept { return state_->done; }
  [[nodiscard]] bool failed() const noexcept { return state_->error != nullptr; }
  /// What it returned; throws what it threw.
  Result get() {
    if (!state_->done) throw std::runtime_error("the coroutine has not finished");
    if (state_->error) std::rethrow_exception(state_->error);
    if constexpr (!std::is_void_v<Result>) return std::move(*state_->value);
  }

 private:
  struct state {
    std::optional<stored> value;
    std::exception_ptr error;
    bool done = false;
  };
  // Destroyed, invoked or not.
  struct forget {
    std::shared_ptr<state> into;
    void operator()(std::exception_ptr error) const {
      into->error = error;
      into->done = true;
    }
  };
  static asio::awaitable<void> store(asio::awaitable<Result> what, std::shared_ptr<state> into) {
    if constexpr (std::is_void_v<Result>) {
      co_await std::move(what);
    } else {
      into->value.emplace(co_await std::move(what));
    }
  }

  std::shared_ptr<state> state_;
};

/// Runs `io` on this thread until `condition()`; throws when nothing makes it true.
template <typename Condition>
void run_until(asio::io_context& io, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    io.restart();
    if (io.run_one_until(deadline) == 0 && !condition()) {
      throw std::runtime_error(std::chrono::steady_clock::now() < deadline
                                   ? "nothing is left to run, and the condition does not hold"
                                   : "the condition did not come true in time");
    }
    if (std::chrono::steady_clock::now() > deadline && !condition()) {
      throw std::runtime_error("the condition did not come true in time");
    }
  }
}

/// Runs a coroutine to its end on `io`, on this thread; returns what it returns, throws what it
/// throws.
template <typename Result>
Result run(asio::io_context& io, asio::awaitable<Result> what) {
  task<Result> running(io.get_executor(), std::move(what));
  run_until(io, [&] { return running.done(); });
  return running.get();
}

}  // namespace nori::test

#endif

#ifndef NORI_STORAGE_CLOCK_HPP
#define NORI_STORAGE_CLOCK_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>

#include "storage/handler_memory.hpp"
#include "storage/parked_handler.hpp"

namespace nori::storage {

namespace asio = boost::asio;

/// Somebody who waits for a time.
class alarm {
 public:
  virtual ~alarm() = default;
  /// Once, before it is destroyed; never when its context goes away.
  /// Posting takes memory: whoever makes time pass sees to it that there is some.
  virtual void ring(boost::system::error_code why) noexcept = 0;
};

/// A time that somebody else makes pass: a simulated storage has one, a real one has none.
///
/// @par Thread safety
/// Safe to call from any thread.
class clock {
 public:
  [[nodiscard]] virtual std::chrono::system_clock::time_point wall() const noexcept = 0;
  /// Rings when so much time has passed. Returns what cancel() knows it by.
  [[nodiscard]] virtual std::uint64_t set(std::unique_ptr<alarm> what,
                                          std::chrono::nanoseconds after) = 0;
  /// Memory for an alarm, from operator new: it stands for the kernel's.
  [[nodiscard]] virtual void* alarm_memory(std::size_t bytes) { return ::operator new(bytes); }
  /// Rings with operation_aborted, unless it has rung.
  virtual void cancel(std::uint64_t which) noexcept = 0;

 protected:
  ~clock() = default;
};

/// What the time is, by `simulated` or, where that is null, by the system.
[[nodiscard]] inline std::chrono::system_clock::time_point wall_clock(
    const clock* simulated) noexcept {
  return simulated != nullptr ? simulated->wall() : std::chrono::system_clock::now();
}

/// A steady_timer of one waiter that keeps to a simulated clock where there is one. That clock
/// keeps no context running. Once a wait has begun, its end takes no memory.
class timer {
 public:
  timer(asio::any_io_executor on, clock* simulated) : on_(std::move(on)), clock_(simulated) {
    if (clock_ == nullptr) real_.emplace(on_);
  }

  /// Ends a wait that is going on, with operation_aborted.
  void expires_after(std::chrono::nanoseconds time) {
    if (real_) {
      real_->expires_after(time);
    } else {
      cancel();
      after_ = time;
    }
  }

  /// Calls a function, on the executor that is associated with it, with an error_code. The timer
  /// must live until then.
  /// @throws std::bad_alloc: it is not called.
  template <typename Handler>
  void async_wait(Handler handler) {
    if (real_) {
      real_->async_wait(
          asio::bind_allocator(handler_allocator<void>(&memory_), std::move(handler)));
    } else {
      using made = waiting<Handler>;
      std::unique_ptr<alarm> rings(new (*clock_) made(std::move(handler), on_));
      alarm_ = clock_->set(std::move(rings), after_);
    }
  }

  void cancel() {
    if (real_) {
      real_->cancel();
    } else if (const std::uint64_t which = std::exchange(alarm_, 0); which != 0) {
      clock_->cancel(which);
    }
  }

 private:
  template <typename Handler>
  class waiting final : public alarm {
   public:
    waiting(Handler handler, asio::any_io_executor on)
        : handler_(std::move(handler)), on_(std::move(on)) {}
    static void* operator new(std::size_t bytes, clock& by) { return by.alarm_memory(bytes); }
    static void operator delete(void* at, clock&) noexcept { ::operator delete(at); }
    static void operator delete(void* at) noexcept { ::operator delete(at); }
    void ring(boost::system::error_code why) noexcept override {
      const auto executor = asio::get_associated_executor(handler_, on_);
      asio::post(executor,
                 [handler = std::move(handler_), why]() mutable { std::move(handler)(why); });
    }

   private:
    Handler handler_;
    asio::any_io_executor on_;
  };

  asio::any_io_executor on_;
  clock* clock_;
  handler_memory_of<512> memory_;
  std::optional<asio::steady_timer> real_;
  std::chrono::nanoseconds after_{};
  std::uint64_t alarm_ = 0;
};

/// Lets time pass; no time where memory has run out.
[[nodiscard]] inline asio::awaitable<void> pause_for(std::chrono::nanoseconds time,
                                                     asio::any_io_executor on, clock* simulated) {
  timer waits(std::move(on), simulated);
  waits.expires_after(time);
  parked_handler parked;
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
      [&](auto&& handler) {
        parked.store(std::move(handler), true);
        const bool begun = parked.give_to([&](parked_handler::ticket mine) {
          // Posted, because what is called here may destroy the timer.
          waits.async_wait(
              [mine = std::move(mine)](boost::system::error_code) mutable { mine.take().post(); });
        });
        if (!begun) parked.post();
      },
      asio::use_awaitable);
}

}  // namespace nori::storage

#endif

#ifndef NORI_STORAGE_PARKED_HANDLER_HPP
#define NORI_STORAGE_PARKED_HANDLER_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>

#include "storage/completion_executor.hpp"
#include "storage/handler_memory.hpp"

namespace nori::storage {

/// Tells the executor's context that there is work to wait for. Not where memory has run out and an
/// executor of somebody's own needs some for that.
[[nodiscard]] inline asio::any_io_executor tracked(const asio::any_io_executor& on) noexcept {
  if (const auto* const ours = on.target<coroutine_executor>()) {
    return tracked(ours->on());
  }
  if (const auto* const ours = on.target<completion_executor>()) {
    return tracked(ours->inner());
  }
  try {
    return asio::prefer(on, asio::execution::outstanding_work.tracked);
  } catch (const std::bad_alloc&) {
    return {};
  }
}

/// The handler of a suspended coroutine, of the form void(), in place: it lives in the frame of the
/// coroutine that waits.
///
/// Neither waiting nor resuming takes memory. It must not: a post that fails destroys the handler
/// that was moved into it, hence the coroutine, of which nobody would hear again; and Asio, which
/// posts for that, too, ends the process when that fails as well.
class parked_handler {
 public:
  parked_handler() = default;
  parked_handler(const parked_handler&) = delete;
  parked_handler& operator=(const parked_handler&) = delete;
  ~parked_handler() { destroy(); }

  /// With `tracks_work` its context is kept running until it is called.
  template <typename Handler>
  void store(Handler&& handler, bool tracks_work) noexcept {
    using stored = std::decay_t<Handler>;
    static_assert(sizeof(stored) <= sizeof(place_));
    static_assert(alignof(stored) <= alignof(std::max_align_t));
    static_assert(std::is_nothrow_move_constructible_v<stored>);
    left_.store(true, std::memory_order_relaxed);
    if (tracks_work) work_ = tracked(asio::get_associated_executor(handler));
    ::new (static_cast<void*>(place_)) stored(std::forward<Handler>(handler));
    act_ = [](parked_handler& self, action what) {
      stored* const in_place = std::launder(reinterpret_cast<stored*>(self.place_));
      if (what == action::post) {
        const departure leaving(self);
        const asio::any_io_executor on = asio::get_associated_executor(*in_place);
        self.post_to(on);
        return;
      }
      self.wait_for_departure();
      // The handler owns the frame that this object lives in: it must not end inside it.
      stored taken(std::move(*in_place));
      in_place->~stored();
      self.act_ = nullptr;
      const asio::any_io_executor work = std::move(self.work_);
      if (what == action::call) std::move(taken)();
    };
  }

  [[nodiscard]] bool empty() const noexcept { return act_ == nullptr; }

  // Each may end this object's life.

  /// Resumes the coroutine on its executor, never from within.
  void post() noexcept { act_(*this, action::post); }
  /// Resumes it here and now.
  void call() { act_(*this, action::call); }
  /// Destroys the coroutine without resuming it.
  void destroy() noexcept {
    if (act_ != nullptr) act_(*this, action::destroy);
  }

  /// What somebody else may call in its place; the coroutine is destroyed with it where nobody did.
  class ticket {
   public:
    explicit ticket(parked_handler& of) noexcept : of_(&of) {}
    ticket(ticket&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    ticket(const ticket&) = delete;
    ticket& operator=(const ticket&) = delete;
    ticket& operator=(ticket&&) = delete;
    ~ticket() {
      if (of_ == nullptr) return;
      if (of_ == being_given) {
        being_given = nullptr;
      } else {
        of_->destroy();
      }
    }

    void operator()() { std::exchange(of_, nullptr)->call(); }
    [[nodiscard]] parked_handler& take() noexcept { return *std::exchange(of_, nullptr); }

   private:
    parked_handler* of_;
  };

  /// Calls `give` with a ticket. False where it threw for want of memory: the handler is still
  /// here.
  template <typename Give>
  [[nodiscard]] bool give_to(Give give) noexcept {
    // The handler comes back by way of a destructor, on this thread; or it is somewhere already.
    parked_handler* const outer = std::exchange(being_given, this);
    bool threw = false;
    try {
      give(ticket(*this));
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    const bool is_back = std::exchange(being_given, outer) == nullptr;
    if (is_back && !threw) destroy();
    return !is_back || !threw;
  }

 private:
  enum class action : unsigned char { post, call, destroy };

  void post_to(const asio::any_io_executor& on) noexcept {
    if (const auto* const ours = on.target<coroutine_executor>()) {
      post_to(ours->on());
      return;
    }
    if (const auto* const strand = on.target<completion_executor>()) {
      post_in(memory_, *strand, ticket(*this));
      return;
    }
    {
      ticket mine(*this);
      if (execute_in(memory_, on, mine, true)) return;
      static_cast<void>(mine.take());
    }
    // An executor of somebody's own: it takes what memory it takes, and is asked until it has some.
    while (!give_to([&](ticket mine) { asio::post(on, std::move(mine)); })) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  // While a thread posts. What it posted may end the context as soon as it is called, so it is not
  // before the thread has left the context. (An executor that tracks work would keep the context,
  // too; but the thread could then be who drops the last of it, which stops the context: perhaps
  // not the run that this was for, but the next one.)
  class departure {
   public:
    explicit departure(parked_handler& of) noexcept
        : of_(&of), outer_(std::exchange(inmost, this)) {
      of.left_.store(false, std::memory_order_relaxed);
    }
    departure(const departure&) = delete;
    departure& operator=(const departure&) = delete;
    ~departure() {
      inmost = outer_;
      if (of_ != nullptr) of_->left_.store(true, std::memory_order_release);
    }

    /// Whether this thread posts `of`: then it will not touch it again.
    [[nodiscard]] static bool forgets(const parked_handler& of) noexcept {
      for (departure* each = inmost; each != nullptr; each = each->outer_) {
        if (each->of_ != &of) continue;
        each->of_ = nullptr;
        return true;
      }
      return false;
    }

   private:
    static inline thread_local departure* inmost = nullptr;
    parked_handler* of_;
    departure* outer_;
  };

  void wait_for_departure() const noexcept {
    if (left_.load(std::memory_order_acquire) || departure::forgets(*this)) return;
    // Some instructions away, unless it has lost its processor: perhaps to this thread, if that is
    // one of higher priority.
    constexpr int yields_max = 100;
    for (int yields = 0; !left_.load(std::memory_order_acquire); ++yields) {
      if (yields < yields_max) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  static inline thread_local parked_handler* being_given = nullptr;

  void (*act_)(parked_handler&, action) = nullptr;
  std::atomic<bool> left_{true};  ///< nobody is about to post this
  asio::any_io_executor work_;
  alignas(std::max_align_t) std::byte place_[64];
  handler_memory_of<64> memory_;
};

/// To co_await: lets whoever else is ready have a turn. `parked` is an empty one of the
/// coroutine's.
[[nodiscard]] inline auto take_turn(parked_handler& parked) noexcept {
  return [&parked]<asio::completion_token_for<void()> Token>(Token&& token) {
    return asio::async_initiate<Token, void()>(
        [&parked](auto handler) {
          parked.store(std::move(handler), false);
          parked.post();
        },
        token);
  };
}

/// Begins a coroutine, in place. It first takes a turn, and catches what it throws; it goes on and
/// ends even when memory has run out.
/// @throws std::bad_alloc: it was not begun.
inline void begin_coroutine(asio::any_io_executor on, asio::awaitable<void> what) {
  asio::co_spawn(coroutine_executor(std::move(on)), std::move(what), asio::detached);
}

}  // namespace nori::storage

#endif

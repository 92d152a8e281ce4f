#ifndef NORI_STORAGE_COMPLETION_EXECUTOR_HPP
#define NORI_STORAGE_COMPLETION_EXECUTOR_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>

#include "storage/handler_memory.hpp"

namespace nori::storage {

namespace asio = boost::asio;

/// Where completions are called: a strand, so that they come one at a time, on an executor.
///
/// Not Asio's. That one asks its executor (in Boost 1.81) by polymorphic queries, which allocate;
/// and where memory runs out it is stuck for ever, or ends the process, depending on where. This
/// one has the memory that it needs to get onto its executor, and takes that of what it is given
/// from a handler_memory where it is told to.
///
/// When the context goes away, what is queued is destroyed with it.
class completion_executor {
 public:
  /// A template, so that copying one does not look for a way to make it an any_io_executor, which
  /// would ask whether it can be copied.
  template <std::same_as<asio::any_io_executor> Executor>
  explicit completion_executor(Executor on) : queue_(std::make_shared<queue>(std::move(on))) {}

  [[nodiscard]] const asio::any_io_executor& inner() const noexcept { return queue_->on; }
  [[nodiscard]] bool running_in_this_thread() const noexcept {
    return queue_->running.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  [[nodiscard]] asio::execution_context& query(asio::execution::context_t) const noexcept {
    return asio::query(queue_->on, asio::execution::context);
  }
  [[nodiscard]] asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
    return never_ ? asio::execution::blocking_t(asio::execution::blocking.never)
                  : asio::execution::blocking_t(asio::execution::blocking.possibly);
  }
  [[nodiscard]] completion_executor require(asio::execution::blocking_t::never_t) const noexcept {
    completion_executor changed = *this;
    changed.never_ = true;
    return changed;
  }
  [[nodiscard]] completion_executor require(
      asio::execution::blocking_t::possibly_t) const noexcept {
    completion_executor changed = *this;
    changed.never_ = false;
    return changed;
  }
  [[nodiscard]] completion_executor require(
      asio::execution::outstanding_work_t::tracked_t how) const {
    completion_executor changed = *this;
    changed.work_ = asio::prefer(queue_->on, how);
    return changed;
  }
  [[nodiscard]] completion_executor require(
      asio::execution::outstanding_work_t::untracked_t) const noexcept {
    completion_executor changed = *this;
    changed.work_ = {};
    return changed;
  }
  /// Where it puts the function that it is given next.
  template <typename T>
  [[nodiscard]] completion_executor require(
      asio::execution::allocator_t<handler_allocator<T>> how) const noexcept {
    completion_executor changed = *this;
    changed.memory_ = how.value().memory();
    return changed;
  }

  template <typename Function>
  void execute(Function&& function) const {
    using taken = std::decay_t<Function>;
    if (!never_ && running_in_this_thread()) {
      taken now(std::forward<Function>(function));
      now();
      return;
    }
    queue::push(queue_, operation_of<taken>::make(memory_, std::forward<Function>(function)),
                never_);
  }

  friend bool operator==(const completion_executor& a, const completion_executor& b) noexcept {
    return a.queue_ == b.queue_;
  }
  friend bool operator!=(const completion_executor& a, const completion_executor& b) noexcept {
    return !(a == b);
  }

 private:
  // Something to call, linked by itself.
  struct operation {
    using act = void (*)(operation&, bool calls);
    explicit operation(act how) noexcept : does(how) {}
    act does;  ///< ends its life, and calls the function or does not
    operation* next = nullptr;
  };

  template <typename Function>
  struct operation_of final : operation {
    operation_of(handler_memory* its_memory, Function&& its) noexcept
        : operation(&operation_of::run), memory(its_memory), function(std::move(its)) {}

    static operation* make(handler_memory* memory, Function function) {
      handler_allocator<operation_of> allocator(memory);
      return ::new (allocator.allocate(1)) operation_of(memory, std::move(function));
    }
    static void run(operation& base, bool calls) {
      auto& self = static_cast<operation_of&>(base);
      // The memory is free before the function is called: it may post again.
      Function taken(std::move(self.function));
      handler_allocator<operation_of> allocator(self.memory);
      self.~operation_of();
      allocator.deallocate(&self, 1);
      if (calls) taken();
    }

    handler_memory* memory;
    Function function;
  };

  struct queue;
  // What is on the executor while anything is queued, once.
  class turn {
   public:
    explicit turn(std::shared_ptr<queue> of) noexcept : of_(std::move(of)) {}
    turn(turn&&) noexcept = default;
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;
    turn& operator=(turn&&) = delete;
    ~turn() {
      if (!of_) return;
      if (of_.get() == being_given) {
        being_given = nullptr;  // it could not be posted
      } else {
        of_->drop_all();
      }
    }
    void operator()() { queue::take_turn(std::move(of_)); }

    static inline thread_local const queue* being_given = nullptr;

   private:
    std::shared_ptr<queue> of_;
  };

  struct queue {
    explicit queue(asio::any_io_executor executor) noexcept : on(std::move(executor)) {}
    queue(const queue&) = delete;
    queue& operator=(const queue&) = delete;
    ~queue() { drop_all(); }

    static void push(const std::shared_ptr<queue>& self, operation* added, bool never) {
      {
        const std::lock_guard lock(self->mutex);
        (self->last != nullptr ? self->last->next : self->first) = added;
        self->last = added;
        if (std::exchange(self->on_its_way, true)) return;
      }
      give_turn(self, never);
    }

    static void give_turn(const std::shared_ptr<queue>& self, bool never) {
      turn next(self);
      if (execute_in(self->reserve, self->on, next, never)) return;
      // An executor of somebody's own: it takes what memory it takes, and is asked until it has it.
      const auto try_to_post = [&](turn mine) {
        const queue* const outer = std::exchange(turn::being_given, self.get());
        bool threw = false;
        try {
          asio::require(self->on, asio::execution::blocking.never).execute(std::move(mine));
        } catch (const std::bad_alloc&) {
          threw = true;
        }
        const bool is_back = std::exchange(turn::being_given, outer) == nullptr;
        if (is_back && !threw) self->drop_all();
        return !threw || !is_back;
      };
      while (!try_to_post(std::move(next))) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ::new (&next) turn(self);
      }
    }

    static void take_turn(std::shared_ptr<queue> self) {
      operation* last_now = nullptr;
      {
        const std::lock_guard lock(self->mutex);
        last_now = self->last;
      }
      // However it ends: a function may throw, and then the others get their turn later.
      const struct end_of_turn {
        const std::shared_ptr<queue>& of;
        ~end_of_turn() {
          of->running.store({}, std::memory_order_relaxed);
          {
            const std::lock_guard lock(of->mutex);
            of->on_its_way = of->first != nullptr;
            if (!of->on_its_way) return;
          }
          give_turn(of, true);
        }
      } end{self};
      self->running.store(std::this_thread::get_id(), std::memory_order_relaxed);
      for (bool more = last_now != nullptr; more;) {
        operation* const next = self->pop();
        if (next == nullptr) return;
        more = next != last_now;
        next->does(*next, true);
      }
    }

    operation* pop() noexcept {
      const std::lock_guard lock(mutex);
      operation* const next = first;
      if (next != nullptr) {
        first = next->next;
        if (first == nullptr) last = nullptr;
      }
      return next;
    }

    void drop_all() noexcept {
      while (operation* const next = pop()) next->does(*next, false);
      const std::lock_guard lock(mutex);
      on_its_way = false;
    }

    const asio::any_io_executor on;
    std::mutex mutex;
    operation* first = nullptr;
    operation* last = nullptr;
    bool on_its_way = false;  ///< a turn is on the executor, or goes on
    std::atomic<std::thread::id> running;
    handler_memory_of<128> reserve;  ///< of the turn
  };

  std::shared_ptr<queue> queue_;
  asio::any_io_executor work_;
  handler_memory* memory_ = nullptr;
  bool never_ = false;
};

[[nodiscard]] inline completion_executor make_completion_executor(asio::any_io_executor on) {
  return completion_executor(std::move(on));
}

/// Posts to a strand, taking nothing but `memory`.
template <typename Function>
void post_in(handler_memory& memory, const completion_executor& on, Function function) noexcept {
  asio::require(asio::require(on, asio::execution::blocking.never),
                asio::execution::allocator(handler_allocator<void>(&memory)))
      .execute(std::move(function));
}

/// For coroutines that go on when memory has run out: begins them in place, and what ends them too,
/// so that neither takes memory. A parked_handler resumes them on the executor that this stands
/// for.
class coroutine_executor {
 public:
  /// A template, as in completion_executor.
  template <std::same_as<asio::any_io_executor> Executor>
  explicit coroutine_executor(Executor on) noexcept : on_(std::move(on)) {}

  [[nodiscard]] asio::execution_context& query(asio::execution::context_t) const noexcept {
    return asio::query(on_, asio::execution::context);
  }
  [[nodiscard]] asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
    return never_ ? asio::execution::blocking_t(asio::execution::blocking.never)
                  : asio::execution::blocking_t(asio::execution::blocking.always);
  }
  [[nodiscard]] coroutine_executor require(asio::execution::blocking_t::never_t) const noexcept {
    coroutine_executor changed = *this;
    changed.never_ = true;
    return changed;
  }

  template <typename Function>
  void execute(Function&& function) const {
    if (never_) {
      asio::require(on_, asio::execution::blocking.never).execute(std::forward<Function>(function));
    } else {
      std::decay_t<Function> taken(std::forward<Function>(function));
      taken();
    }
  }

  [[nodiscard]] const asio::any_io_executor& on() const noexcept { return on_; }

  friend bool operator==(const coroutine_executor& a, const coroutine_executor& b) noexcept {
    return a.on_ == b.on_ && a.never_ == b.never_;
  }
  friend bool operator!=(const coroutine_executor& a, const coroutine_executor& b) noexcept {
    return !(a == b);
  }

 private:
  asio::any_io_executor on_;
  bool never_ = false;
};

}  // namespace nori::storage

#endif

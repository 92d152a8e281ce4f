#include "suites/simulate/starving.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "storage/completion_executor.hpp"
#include "storage/parked_handler.hpp"

namespace nori::simulate {

namespace {

constexpr std::size_t handlers_per_ms = 200;

// Ends a coroutine without memory: what Asio does at the end of one of its own would need some.
class in_place {
 public:
  explicit in_place(asio::io_context& context) noexcept : context_(&context) {}
  [[nodiscard]] asio::execution_context& query(asio::execution::context_t) const noexcept {
    return *context_;
  }
  [[nodiscard]] static constexpr asio::execution::blocking_t query(
      asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.always;
  }
  template <typename Function>
  void execute(Function&& function) const {
    std::forward<Function>(function)();
  }
  bool operator==(const in_place&) const = default;

 private:
  asio::io_context* context_;
};

asio::awaitable<void> counted(asio::awaitable<void> what, std::size_t* running) {
  // Asio posts the end of a coroutine that never waited, and that takes memory.
  storage::parked_handler parked;
  co_await storage::take_turn(parked);
  co_await std::move(what);
  --*running;
}

}  // namespace

std::string shortage::text() const {
  if (kth == 0) return "no allocation fails";
  std::string all = "allocation " + std::to_string(kth) + " fails";
  if (failures == test::for_ever) return all + ", and all behind it";
  if (failures > 1) return all + ", and " + std::to_string(failures - 1) + " behind it";
  return all;
}

starving_world::starving_world(std::uint64_t seed, backend on) : random(seed), backend_(on) {
  if (on == backend::simulated) {
    disk.emplace(seed);
  } else {
    directory_.emplace(test::memory_directory());
  }
}

starving_world::~starving_world() { static_cast<void>(test::give_memory()); }

config starving_world::settings(fsync_policy policy) const {
  config made(disk ? "log" : (directory_->path() / "log").string());
  if (disk) {
    made.storage = disk->storage();
  } else {
    made.backend = backend_;
  }
  made.fsync = policy;
  made.segment_bytes_max = segment_bytes_lowest;
  made.buffer_bytes_max = buffer_bytes_lowest;
  return made;
}

void starving_world::begin(asio::awaitable<void> what) { begin(std::move(what), &running_); }

void starving_world::begin(asio::awaitable<void> what, std::size_t* running) {
  ++*running;
  asio::co_spawn(io, counted(std::move(what), running),
                 asio::bind_executor(in_place(io), [](std::exception_ptr error) {
                   if (error) std::rethrow_exception(error);
                 }));
}

bool starving_world::run_until(const std::function<bool()>& condition,
                               std::chrono::milliseconds patience) {
  try {
    if (disk) {
      const auto until = disk->now() + patience;
      for (std::size_t handlers = 1; !condition(); ++handlers) {
        // Time passes also where something is asked for again and again.
        if (handlers % handlers_per_ms == 0) disk->advance(std::chrono::milliseconds(1));
        if (disk->now() >= until) break;
        {
          const granted_memory::withdrawn library;
          io.restart();
          if (io.poll_one() != 0) continue;
        }
        disk->advance(std::chrono::milliseconds(1));
      }
    } else {
      const auto until = std::chrono::steady_clock::now() + patience;
      while (!condition() && std::chrono::steady_clock::now() < until) {
        const granted_memory::withdrawn library;
        io.restart();
        io.run_one_for(std::chrono::milliseconds(20));
      }
    }
  } catch (const std::bad_alloc&) {
    throw violation("std::bad_alloc left run()");
  }
  return condition();
}

bool starving_world::settle(std::chrono::milliseconds patience) {
  return run_until([this] { return running_ == 0; }, patience);
}

void starving_world::pass(std::chrono::milliseconds time) {
  static_cast<void>(run_until([] { return false; }, time));
}

void starving_world::finish(asio::awaitable<void> what, const char* name) {
  finishing_ = 0;
  begin(std::move(what), &finishing_);
  const auto ended = [&] { return finishing_ == 0; };
  if (run_until(ended, std::chrono::milliseconds(300))) return;
  // It may wait until there is memory.
  static_cast<void>(test::give_memory());
  if (!run_until(ended, std::chrono::milliseconds(30'000))) {
    throw violation(std::string(name) + " never ends");
  }
}

struct watchdog::state {
  std::mutex mutex;
  std::condition_variable changed;
  std::array<char, 512> doing{};
  std::uint64_t changes = 0;
  bool ends = false;
  std::thread thread;
  std::terminate_handler before = nullptr;
  static inline state* current = nullptr;

  void say(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, doing.data());
    std::fflush(stderr);
  }
};

watchdog::watchdog(std::chrono::seconds patience) : state_(std::make_unique<state>()) {
  state* const all = state_.get();
  state::current = all;
  all->before = std::set_terminate([] {
    if (state::current != nullptr) state::current->say("the process was ended");
    std::abort();
  });
  all->thread = std::thread([all, patience] {
    std::unique_lock lock(all->mutex);
    while (!all->ends) {
      const std::uint64_t seen = all->changes;
      const bool went_on =
          all->changed.wait_for(lock, patience, [&] { return all->ends || all->changes != seen; });
      if (went_on) continue;
      all->say("this hangs");
      std::abort();
    }
  });
}

watchdog::~watchdog() {
  std::set_terminate(state_->before);
  state::current = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

void watchdog::now_doing(const std::string& what) {
  {
    const std::lock_guard lock(state_->mutex);
    std::snprintf(state_->doing.data(), state_->doing.size(), "%s", what.c_str());
    ++state_->changes;
  }
  state_->changed.notify_all();
}

}  // namespace nori::simulate

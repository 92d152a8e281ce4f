#include "storage/workers.hpp"

#include <csignal>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace nori::storage {

namespace {

// Signals belong to the embedding program: a worker never handles one.
class all_signals_blocked {
 public:
  all_signals_blocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~all_signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  all_signals_blocked(const all_signals_blocked&) = delete;
  all_signals_blocked& operator=(const all_signals_blocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

// Shared with the threads: one that shutdown was called from outlives the workers.
struct workers::state {
  std::mutex mutex;
  std::condition_variable work_or_end;
  std::vector<std::thread> threads;
  std::size_t threads_max = 1;
  std::size_t idle = 0;
  std::size_t waiting = 0;  ///< jobs from `first` to `last`
  job* first = nullptr;
  job* last = nullptr;
  job* handed_back = nullptr;
  bool ended = false;
};

workers::workers(std::size_t threads_max) : state_(std::make_shared<state>()) {
  state_->threads_max = threads_max;
  state_->threads.reserve(threads_max);
  start_thread(state_);
}

workers::~workers() { shutdown(); }

void workers::start_thread(const std::shared_ptr<state>& shared) {
  const all_signals_blocked guard;
  shared->threads.emplace_back([shared] { work(shared); });
}

bool workers::submit(job& what) noexcept {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->ended) return false;
    what.next = nullptr;
    (state_->last == nullptr ? state_->first : state_->last->next) = &what;
    state_->last = &what;
    ++state_->waiting;
    if (state_->waiting > state_->idle && state_->threads.size() < state_->threads_max) {
      try {
        start_thread(state_);
      } catch (const std::exception&) {
        // No thread, or no memory for one. The threads that there are do it, later.
      }
    }
  }
  state_->work_or_end.notify_one();
  return true;
}

void workers::hand_back(job& done, void (*deliver)(job&) noexcept) noexcept {
  const std::lock_guard lock(state_->mutex);
  if (state_->ended) {
    done.next = state_->handed_back;
    state_->handed_back = &done;
  } else {
    deliver(done);
  }
}

void workers::shutdown() noexcept {
  // Kept: the last job to be dropped may own *this.
  const auto shared = state_;
  std::vector<std::thread> threads;
  job* dropped = nullptr;
  {
    const std::lock_guard lock(shared->mutex);
    shared->ended = true;
    threads.swap(shared->threads);
    dropped = std::exchange(shared->first, nullptr);
    shared->last = nullptr;
    shared->waiting = 0;
  }
  shared->work_or_end.notify_all();
  for (auto& thread : threads) {
    if (thread.get_id() == std::this_thread::get_id()) {
      thread.detach();
    } else {
      thread.join();
    }
  }
  const auto drop_all = [](job* each) {
    while (each != nullptr) {
      job* const next = each->next;
      each->drop();
      each = next;
    }
  };
  drop_all(dropped);
  {
    const std::lock_guard lock(shared->mutex);
    dropped = std::exchange(shared->handed_back, nullptr);
  }
  drop_all(dropped);
}

void workers::work(const std::shared_ptr<state>& shared) noexcept {
  std::unique_lock lock(shared->mutex);
  while (true) {
    ++shared->idle;
    shared->work_or_end.wait(lock, [&] { return shared->ended || shared->first != nullptr; });
    --shared->idle;
    if (shared->ended) return;
    job& next = *shared->first;
    shared->first = next.next;
    if (shared->first == nullptr) shared->last = nullptr;
    --shared->waiting;
    lock.unlock();
    next.run();
    lock.lock();
  }
}

}  // namespace nori::storage

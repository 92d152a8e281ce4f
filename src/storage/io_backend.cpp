#include "storage/io_backend.hpp"

#include <boost/system/error_code.hpp>

#include <utility>

namespace nori::storage {

namespace {

void abandon_all(request_list& requests) noexcept {
  while (io_request* const request = requests.pop()) {
    if (request->abandon != nullptr) request->abandon(*request);
  }
}

}  // namespace

// The handler of the wait, which lives in the backend's own memory: waiting allocates nothing,
// whichever thread it is begun on.
class io_backend::on_readable {
 public:
  using allocator_type = handler_allocator<std::byte>;

  explicit on_readable(std::shared_ptr<io_backend> backend) noexcept
      : backend_(std::move(backend)), executor_(*backend_->executor_) {}

  using executor_type = completion_executor;
  [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
  [[nodiscard]] allocator_type get_allocator() const noexcept {
    return allocator_type(&backend_->wait_memory_);
  }
  void operator()(boost::system::error_code) const noexcept { backend_->drain(); }

 private:
  std::shared_ptr<io_backend> backend_;
  completion_executor executor_;
};

void io_backend::watch(const completion_executor& executor, int fd) {
  executor_ = executor;
  watched_.emplace(executor.inner(), fd);
}

void io_backend::start(io_request& first) noexcept {
  std::unique_lock lock(mutex_);
  if (ended_) {
    lock.unlock();
    request_list refused;
    refused.push_chain(&first);
    abandon_all(refused);
    return;
  }
  for (const io_request* each = &first; each != nullptr; each = each->next) ++unfinished_;
  submit(first);
  // While draining, the end of the drain arms.
  if (!armed_ && !draining_) arm();
}

// The descriptor is touched only with the mutex held, which is all that its rules ask for.
void io_backend::arm() noexcept {
  armed_ = true;
  watched_->async_wait(asio::posix::stream_descriptor::wait_read, on_readable(shared_from_this()));
}

void io_backend::drain() noexcept {
  std::unique_lock lock(mutex_);
  armed_ = false;
  if (ended_) return;
  draining_ = true;
  drainer_ = std::this_thread::get_id();
  // What `complete` starts may finish at once. Bounded, so that others on the executor get a turn.
  constexpr int rounds_max = 4;
  for (int round = 0; round < rounds_max && !ended_; ++round) {
    const std::size_t count = reap(finished_);
    if (count == 0) break;
    unfinished_ -= count;
    // One by one, because shutdown may come in between: the list is then empty.
    while (io_request* const request = finished_.pop()) {
      lock.unlock();
      request->complete(*request);
      lock.lock();
    }
  }
  draining_ = false;
  if (ended_) {
    drained_.notify_all();
  } else if (unfinished_ != 0) {
    arm();
  }
}

void io_backend::shutdown() noexcept {
  request_list dropped;
  {
    std::unique_lock lock(mutex_);
    const bool first = !std::exchange(ended_, true);
    if (first) {
      finish(lock, dropped);
      dropped.take(finished_);
      watched_.reset();
      // It may outlive the context: nothing of it may be kept.
      executor_.reset();
      close();
    }
    drained_.wait(lock, [&] { return !draining_ || drainer_ == std::this_thread::get_id(); });
  }
  abandon_all(dropped);
}

}  // namespace nori::storage

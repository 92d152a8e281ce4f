#include "storage/threads_backend.hpp"

#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <utility>

#include "storage/directory.hpp"
#include "storage/posix_file.hpp"

namespace nori::storage {

namespace {

constexpr std::size_t threads_max = 2;

std::int64_t call(const io_request& request) noexcept {
  const int fd = posix_file::from(*request.target).fd();
  const auto offset = static_cast<off_t>(request.offset);
  switch (request.kind) {
    case io_kind::read:
      return ::preadv(fd, request.pieces.data(), request.piece_count, offset);
    case io_kind::write:
      return ::pwritev2(fd, request.pieces.data(), request.piece_count, offset,
                        request.durable ? RWF_DSYNC : 0);
    case io_kind::sync:
      return ::fdatasync(fd);
  }
  errno = EINVAL;
  return -1;
}

}  // namespace

// Lives in the request's scratch.
class threads_backend::io_job final : public job {
 public:
  io_job(threads_backend& owner, io_request& request) noexcept : owner_(owner), request_(request) {}

  void run() noexcept override {
    std::int64_t result = 0;
    do {
      result = call(request_);
    } while (result < 0 && (errno == EINTR || errno == EAGAIN));
    request_.result = result < 0 ? -errno : result;
    owner_.done(request_);
  }
  void drop() noexcept override { owner_.done(request_); }

 private:
  threads_backend& owner_;
  io_request& request_;
};

threads_backend::threads_backend(const completion_executor& executor) : pool_(threads_max) {
  unique_fd bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell) throw_errno(errno, "create", "eventfd");
  watch(executor, bell.get());
  bell_ = bell.release();
}

void threads_backend::submit(io_request& first) noexcept {
  for (io_request* each = &first; each != nullptr;) {
    io_request* const next = std::exchange(each->next, nullptr);
    static_assert(sizeof(io_job) <= sizeof each->scratch);
    auto* const queued = ::new (each->scratch.data()) io_job(*this, *each);
    if (!pool_.submit(*queued)) done_.push(*each);
    each = next;
  }
}

void threads_backend::done(io_request& request) noexcept {
  const std::lock_guard lock(mutex_);
  done_.push(request);
  if (!rung_ && !ended_) {
    rung_ = true;
    // Can't fail: the counter is zero.
    static_cast<void>(::eventfd_write(bell_, 1));
  }
}

std::size_t threads_backend::reap(request_list& finished) noexcept {
  if (rung_) {
    rung_ = false;
    eventfd_t count = 0;
    static_cast<void>(::eventfd_read(bell_, &count));
  }
  std::size_t count = 0;
  while (io_request* const request = done_.pop()) {
    finished.push(*request);
    ++count;
  }
  return count;
}

void threads_backend::finish(std::unique_lock<std::mutex>& lock, request_list& dropped) noexcept {
  lock.unlock();
  pool_.shutdown();
  lock.lock();
  dropped.take(done_);
}

}  // namespace nori::storage

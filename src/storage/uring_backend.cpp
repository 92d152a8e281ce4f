#include "storage/uring_backend.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/bind_allocator.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <nori/error.hpp>

#include "storage/posix_file.hpp"
#include "storage/ring_life.hpp"

namespace nori::storage {

namespace {

// As many as this are in flight. The completion queue has twice as many entries: it can't overflow.
constexpr unsigned ring_entries = 64;

// The largest length that one read or write takes, a multiple of the block.
constexpr std::size_t transfer_bytes_max = std::size_t{1} << 30;

// Kept in the request: it failed for a reason that is not its own and goes to a kernel thread,
// which may wait, the next time.
void set_retry(io_request& request, bool retry) noexcept { request.scratch[0] = std::byte{retry}; }
bool is_retry(const io_request& request) noexcept { return request.scratch[0] != std::byte{0}; }

bool is_not_its_own(int result) noexcept {
  // Of these, ECANCELED is what becomes of a request whose submitting thread exits.
  return result == -EINTR || result == -EAGAIN || result == -ECANCELED;
}

[[noreturn]] void throw_unavailable(std::string_view call, int error) {
  throw_error(errc::backend_unavailable, std::string("io_uring: ") + std::string(call) + ": " +
                                             std::strerror(error) +
                                             "; use backend::threads or automatic");
}

void prepare(io_uring_sqe* sqe, io_request& request) noexcept {
  const int fd = posix_file::from(*request.target).fd();
  switch (request.kind) {
    case io_kind::sync:
      io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
      break;
    case io_kind::read:
      if (request.piece_count == 1) {
        const iovec& piece = request.pieces[0];
        io_uring_prep_read(sqe, fd, piece.iov_base,
                           static_cast<unsigned>(std::min(piece.iov_len, transfer_bytes_max)),
                           request.offset);
      } else {
        io_uring_prep_readv(sqe, fd, request.pieces.data(), request.piece_count, request.offset);
      }
      break;
    case io_kind::write:
      if (request.piece_count == 1) {
        const iovec& piece = request.pieces[0];
        io_uring_prep_write(sqe, fd, piece.iov_base,
                            static_cast<unsigned>(std::min(piece.iov_len, transfer_bytes_max)),
                            request.offset);
      } else {
        io_uring_prep_writev(sqe, fd, request.pieces.data(), request.piece_count, request.offset);
      }
      if (request.durable) sqe->rw_flags = RWF_DSYNC;
      break;
  }
  if (is_retry(request)) sqe->flags |= IOSQE_ASYNC;
  io_uring_sqe_set_data(sqe, &request);
}

}  // namespace

uring_backend::uring_backend(const completion_executor& executor) {
  if (const int result = begin_ring(ring_entries, ring_, 0); result != 0) {
    throw_unavailable("set-up", -result);
  }
  try {
    check_works();
    // The ring itself is readable while a completion is there: an eventfd would only cost a read.
    const int watched = ::fcntl(ring_.ring_fd, F_DUPFD_CLOEXEC, 0);
    if (watched < 0) throw_unavailable("dup", errno);
    unique_fd owned(watched);
    watch(executor, watched);
    static_cast<void>(owned.release());
    retry_timer_.emplace(executor);
  } catch (...) {
    end_ring(ring_);
    throw;
  }
}

uring_backend::~uring_backend() { close(); }

void uring_backend::close() noexcept {
  retry_timer_.reset();
  if (std::exchange(open_, false)) end_ring(ring_);
}

int uring_backend::hold(int fd) noexcept {
  const std::lock_guard lock(mutex_);
  if (!open_) return ECANCELED;
  if (std::exchange(holds_, false)) io_uring_unregister_files(&ring_);
  const int result = io_uring_register_files(&ring_, &fd, 1);
  holds_ = result == 0;
  return -result;
}

// A filter may let the set-up pass and refuse the rest.
void uring_backend::check_works() {
  const std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)> probe(
      io_uring_get_probe_ring(&ring_), &io_uring_free_probe);
  if (!probe) throw_unavailable("probe", ENOSYS);
  for (const int operation : {IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITE, IORING_OP_WRITEV,
                              IORING_OP_FSYNC, IORING_OP_NOP}) {
    if (io_uring_opcode_supported(probe.get(), operation) == 0) {
      throw_unavailable("operation " + std::to_string(operation), EOPNOTSUPP);
    }
  }
  io_uring_prep_nop(io_uring_get_sqe(&ring_));
  int result = 0;
  do {
    result = io_uring_submit_and_wait(&ring_, 1);
  } while (result == -EINTR);
  if (result < 0) throw_unavailable("enter", -result);
  io_uring_cqe* cqe = nullptr;
  if (io_uring_peek_cqe(&ring_, &cqe) != 0) throw_unavailable("completion", EIO);
  io_uring_cqe_seen(&ring_, cqe);
}

void uring_backend::submit(io_request& first) noexcept {
  for (io_request* each = &first; each != nullptr; each = each->next) set_retry(*each, false);
  waiting_.push_chain(&first);
  fill_ring();
}

void uring_backend::fill_ring() noexcept {
  while (in_ring_ < ring_entries && !waiting_.empty()) {
    prepare(io_uring_get_sqe(&ring_), *waiting_.pop());
    ++in_ring_;
  }
  enter();
}

// One system call, nearly always.
void uring_backend::enter() noexcept {
  constexpr int interruptions_max = 16;
  int interruptions = 0;
  while (io_uring_sq_ready(&ring_) != 0) {
    const int result = io_uring_submit(&ring_);
    if (result > 0 || (result == -EINTR && ++interruptions < interruptions_max)) continue;
    // EAGAIN, EBUSY: the kernel took nothing for want of memory or room. The entries stay in the
    // queue; this thread has other things to do than to wait.
    enter_later();
    return;
  }
}

void uring_backend::enter_later() noexcept {
  if (retry_armed_) return;
  retry_armed_ = true;
  retry_timer_->expires_after(std::chrono::milliseconds(1));
  const auto again = [self = std::static_pointer_cast<uring_backend>(shared_from_this())](
                         boost::system::error_code) {
    const std::lock_guard lock(self->mutex_);
    self->retry_armed_ = false;
    if (!self->ended_) self->enter();
  };
  try {
    retry_timer_->async_wait(asio::bind_allocator(handler_allocator<void>(&retry_memory_), again));
  } catch (const std::bad_alloc&) {
    // The kernel and the process are both without memory: then what is in the queue waits for the
    // next request or completion.
    retry_armed_ = false;
  }
}

std::size_t uring_backend::reap(request_list& finished) noexcept {
  std::size_t count = 0;
  unsigned seen = 0;
  unsigned head = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    ++seen;
    auto& request = *static_cast<io_request*>(io_uring_cqe_get_data(cqe));
    if (is_not_its_own(cqe->res)) {
      set_retry(request, true);
      waiting_.push(request);
    } else {
      request.result = cqe->res;
      finished.push(request);
      ++count;
    }
  }
  io_uring_cq_advance(&ring_, seen);
  in_ring_ -= seen;
  if (!waiting_.empty() || io_uring_sq_ready(&ring_) != 0) fill_ring();
  return count;
}

// Entries that the kernel has not seen are gone with the ring.
void uring_backend::take_back_unsubmitted(request_list& to) noexcept {
  // Only an enter reads the queue, and the mutex is held.
  const io_uring_sq& queue = ring_.sq;
  for (unsigned at = *queue.khead; at != queue.sqe_tail; ++at) {
    to.push(*reinterpret_cast<io_request*>(queue.sqes[at & queue.ring_mask].user_data));
    --in_ring_;
  }
}

void uring_backend::finish(std::unique_lock<std::mutex>&, request_list& dropped) noexcept {
  take_back_unsubmitted(dropped);
  while (in_ring_ != 0) {
    io_uring_cqe* cqe = nullptr;
    const int result = io_uring_wait_cqe(&ring_, &cqe);
    if (result != 0) {
      if (result != -EINTR) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    dropped.push(*static_cast<io_request*>(io_uring_cqe_get_data(cqe)));
    io_uring_cqe_seen(&ring_, cqe);
    --in_ring_;
  }
  dropped.take(waiting_);
}

}  // namespace nori::storage

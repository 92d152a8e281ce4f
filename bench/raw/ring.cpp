#include "raw/ring.hpp"

#include <linux/fs.h>

#include <array>
#include <cerrno>
#include <initializer_list>

#include "raw/files.hpp"

namespace nori::bench::raw {

std::unique_ptr<ring> ring::try_make(unsigned entries, mode completions) {
  std::unique_ptr<ring> made(new ring);
  const unsigned wanted =
      completions == mode::deferred ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0;
  for (const unsigned flags : {wanted, 0U}) {
    if (io_uring_queue_init(entries, &made->ring_, flags) == 0) {
      made->open_ = true;
      return made;
    }
  }
  return nullptr;
}

ring::~ring() {
  if (open_) io_uring_queue_exit(&ring_);
}

void ring::register_file(int fd) noexcept {
  file_registered_ = io_uring_register_files(&ring_, &fd, 1) == 0;
}

void ring::register_buffer(void* data, std::size_t bytes) noexcept {
  const iovec whole{data, bytes};
  if (io_uring_register_buffers(&ring_, &whole, 1) != 0) return;
  buffer_ = data;
  buffer_bytes_ = bytes;
}

io_uring_sqe* ring::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  if (entry != nullptr) return entry;
  submit();
  entry = io_uring_get_sqe(&ring_);
  if (entry == nullptr) throw_errno(EBUSY, "io_uring: the queue is full");
  return entry;
}

void ring::aim(io_uring_sqe* entry, std::uint64_t id) const noexcept {
  if (file_registered_) {
    entry->fd = 0;
    entry->flags |= IOSQE_FIXED_FILE;
  }
  entry->user_data = id;
}

void ring::write(int fd, const void* data, std::size_t bytes, std::uint64_t offset, bool durable,
                 std::uint64_t id) {
  io_uring_sqe* const entry = next_entry();
  const auto length = static_cast<unsigned>(bytes);
  const auto* const begin = static_cast<const std::byte*>(data);
  const auto* const fixed = static_cast<const std::byte*>(buffer_);
  if (fixed != nullptr && begin >= fixed && begin + bytes <= fixed + buffer_bytes_) {
    io_uring_prep_write_fixed(entry, fd, data, length, offset, 0);
  } else {
    io_uring_prep_write(entry, fd, data, length, offset);
  }
  if (durable) entry->rw_flags = RWF_DSYNC;
  aim(entry, id);
}

void ring::write(int fd, const iovec* pieces, unsigned count, std::uint64_t offset,
                 std::uint64_t id) {
  io_uring_sqe* const entry = next_entry();
  io_uring_prep_writev(entry, fd, pieces, count, offset);
  aim(entry, id);
}

void ring::datasync(int fd, std::uint64_t id) {
  io_uring_sqe* const entry = next_entry();
  io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
  aim(entry, id);
}

void ring::submit() {
  int result = 0;
  do {
    result = io_uring_submit(&ring_);
  } while (result == -EINTR || result == -EAGAIN);
  if (result < 0) throw_errno(-result, "io_uring: submit");
}

ring::completion ring::submit_and_wait() {
  for (;;) {
    completion done;
    if (io_uring_cq_ready(&ring_) != 0 && io_uring_sq_ready(&ring_) == 0 && poll(done)) return done;
    const int result = io_uring_submit_and_wait(&ring_, 1);
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
      throw_errno(-result, "io_uring: wait");
    }
    if (poll(done)) return done;
  }
}

bool ring::poll(completion& to) {
  io_uring_cqe* entry = nullptr;
  if (io_uring_peek_cqe(&ring_, &entry) != 0) return false;
  to = {entry->user_data, entry->res};
  io_uring_cqe_seen(&ring_, entry);
  return true;
}

}  // namespace nori::bench::raw

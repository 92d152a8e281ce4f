#include "storage/cached_ring.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "storage/posix_file.hpp"
#include "storage/ring_life.hpp"

namespace nori::storage {

namespace {
constexpr unsigned entries = 64;
constexpr std::size_t read_bytes_max = std::size_t{1} << 30;
}  // namespace

cached_ring::cached_ring() noexcept {
  usable_ = begin_ring(entries, ring_, IORING_SETUP_CLAMP) == 0;
}

cached_ring::~cached_ring() {
  if (usable_) end_ring(ring_);
}

bool cached_ring::read(std::span<cached_read> all) noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || !usable_) return false;
  while (!all.empty()) {
    const std::span<cached_read> some = all.first(std::min<std::size_t>(all.size(), entries));
    if (!read_some(some)) {
      // What it was given and did not see is gone with it. Nothing is in flight.
      end_ring(ring_);
      usable_ = false;
      return false;
    }
    all = all.subspan(some.size());
  }
  return true;
}

bool cached_ring::read_some(std::span<cached_read> some) noexcept {
  unsigned count = 0;
  for (cached_read& each : some) {
    each.got = 0;
    const posix_file& file = posix_file::from(*each.from);
    if (file.direct()) continue;
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_read(sqe, file.fd(), each.to,
                       static_cast<unsigned>(std::min(each.bytes, read_bytes_max)), each.offset);
    // It completes at once, with EAGAIN where the page cache lacks the first byte.
    sqe->rw_flags = RWF_NOWAIT;
    io_uring_sqe_set_data(sqe, &each);
    ++count;
  }
  return submit_all(count);
}

// False where the kernel would not take all of them; those that it took are complete.
bool cached_ring::submit_all(unsigned count) noexcept {
  constexpr int failures_max = 16;
  int failures = 0;
  unsigned taken = 0;
  while (taken < count && failures < failures_max) {
    const int result = io_uring_submit_and_wait(&ring_, count);
    if (result > 0) {
      taken += static_cast<unsigned>(result);
    } else {
      ++failures;
    }
  }
  for (unsigned seen = 0; seen < taken;) {
    io_uring_cqe* cqe = nullptr;
    if (io_uring_wait_cqe(&ring_, &cqe) != 0) continue;  // interrupted
    if (cqe->res > 0) {
      static_cast<cached_read*>(io_uring_cqe_get_data(cqe))->got =
          static_cast<std::size_t>(cqe->res);
    }
    io_uring_cqe_seen(&ring_, cqe);
    ++seen;
  }
  return taken == count;
}

}  // namespace nori::storage

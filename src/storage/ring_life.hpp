#ifndef NORI_STORAGE_RING_LIFE_HPP
#define NORI_STORAGE_RING_LIFE_HPP

#include <liburing.h>

#include <mutex>

namespace nori::storage {

// The kernel may map a new ring where an old one was. One at a time, so that the end of a ring is
// ordered before the beginning of the next: nobody sees that from the mappings alone, since
// liburing makes its system calls itself, past whoever watches threads.

inline std::mutex ring_life;

/// As io_uring_queue_init.
[[nodiscard]] inline int begin_ring(unsigned entries, io_uring& ring, unsigned flags) noexcept {
  const std::lock_guard lock(ring_life);
  return io_uring_queue_init(entries, &ring, flags);
}

inline void end_ring(io_uring& ring) noexcept {
  const std::lock_guard lock(ring_life);
  io_uring_queue_exit(&ring);
}

}  // namespace nori::storage

#endif

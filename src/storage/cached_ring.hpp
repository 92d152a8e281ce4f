#ifndef NORI_STORAGE_CACHED_RING_HPP
#define NORI_STORAGE_CACHED_RING_HPP

#include <liburing.h>

#include <mutex>
#include <span>

#include "storage/storage.hpp"

namespace nori::storage {

/// An io_uring for reads that never wait: many of them in one system call, all complete when it
/// returns. A system call may cost more than what it reads, so this is up to three times faster
/// than a preadv2 for each.
///
/// @par Thread safety
/// Safe to call from any thread.
class cached_ring {
 public:
  /// Where there can't be a ring, none of its reads succeed.
  cached_ring() noexcept;
  ~cached_ring();
  cached_ring(const cached_ring&) = delete;
  cached_ring& operator=(const cached_ring&) = delete;

  /// As storage::read_all_cached. False where it did nothing: another thread is at it,
  /// or there is no ring.
  [[nodiscard]] bool read(std::span<cached_read> all) noexcept;

 private:
  [[nodiscard]] bool read_some(std::span<cached_read> some) noexcept;
  [[nodiscard]] bool submit_all(unsigned count) noexcept;

  std::mutex mutex_;
  io_uring ring_{};
  bool usable_ = false;
};

}  // namespace nori::storage

#endif

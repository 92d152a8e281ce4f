#ifndef NORI_STORAGE_URING_BACKEND_HPP
#define NORI_STORAGE_URING_BACKEND_HPP

#include <boost/asio/steady_timer.hpp>

#include <liburing.h>

#include <cstddef>
#include <mutex>
#include <optional>

#include "storage/io_backend.hpp"

namespace nori::storage {

/// Requests go to the kernel through an io_uring of the backend's own.
class uring_backend final : public io_backend {
 public:
  /// @throws errc::backend_unavailable, with the reason, where the kernel has no io_uring, forbids
  ///   it, or lacks an operation.
  explicit uring_backend(const completion_executor& executor);
  ~uring_backend() override;

  [[nodiscard]] nori::backend which() const noexcept override { return nori::backend::uring; }
  [[nodiscard]] int hold(int fd) noexcept override;

 private:
  void submit(io_request& first) noexcept override;
  [[nodiscard]] std::size_t reap(request_list& finished) noexcept override;
  void finish(std::unique_lock<std::mutex>& lock, request_list& dropped) noexcept override;
  void close() noexcept override;

  void check_works();
  void fill_ring() noexcept;
  void enter() noexcept;
  void enter_later() noexcept;
  void take_back_unsubmitted(request_list& to) noexcept;

  io_uring ring_{};
  bool open_ = true;
  bool holds_ = false;
  request_list waiting_;  ///< not in the ring yet
  unsigned in_ring_ = 0;  ///< in the submission queue, or the kernel's
  std::optional<asio::steady_timer> retry_timer_;
  handler_memory_of<256> retry_memory_;  ///< of its one wait
  bool retry_armed_ = false;
};

}  // namespace nori::storage

#endif

#ifndef NORI_STORAGE_THREADS_BACKEND_HPP
#define NORI_STORAGE_THREADS_BACKEND_HPP

#include <cstddef>
#include <mutex>

#include "storage/io_backend.hpp"
#include "storage/workers.hpp"

namespace nori::storage {

/// Requests are done by blocking calls on two threads of the backend's own.
class threads_backend final : public io_backend {
 public:
  explicit threads_backend(const completion_executor& executor);

  [[nodiscard]] nori::backend which() const noexcept override { return nori::backend::threads; }

 private:
  class io_job;

  void submit(io_request& first) noexcept override;
  [[nodiscard]] std::size_t reap(request_list& finished) noexcept override;
  void finish(std::unique_lock<std::mutex>& lock, request_list& dropped) noexcept override;

  void done(io_request& request) noexcept;

  int bell_ = -1;  ///< an eventfd, owned by who watches it; readable while rung_
  bool rung_ = false;
  request_list done_;
  workers pool_;
};

}  // namespace nori::storage

#endif

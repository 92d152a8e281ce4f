#ifndef NORI_STORAGE_IO_BACKEND_HPP
#define NORI_STORAGE_IO_BACKEND_HPP

#include <boost/asio/posix/stream_descriptor.hpp>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/handler_memory.hpp"
#include "storage/request_list.hpp"
#include "storage/storage.hpp"

namespace nori::storage {

/// Where requests go in and completions come out, whoever does the work: a ring or threads.
///
/// A descriptor that is readable while something has finished is watched by the executor's context
/// as long as a request is unfinished; an idle backend keeps no context running. The handler takes
/// everything that has finished and calls `complete` for each.
///
/// One mutex guards all of it: requests go in on any thread and come out on the executor's, so it
/// also is what orders the two (thread sanitizers see it; they don't see the kernel).
class io_backend : public std::enable_shared_from_this<io_backend> {
 public:
  io_backend(const io_backend&) = delete;
  io_backend& operator=(const io_backend&) = delete;
  virtual ~io_backend() = default;

  [[nodiscard]] virtual nori::backend which() const noexcept = 0;

  /// As storage::start.
  void start(io_request& first) noexcept;

  /// Keeps the lock `fd` until the last request is done, even where the process ends before: the
  /// kernel lets go of a killed process's descriptors while its writes are still to land.
  /// Returns 0 or an errno.
  [[nodiscard]] virtual int hold(int /*fd*/) noexcept { return 0; }

  /// As storage::shutdown. May be called from within `complete`.
  void shutdown() noexcept;

 protected:
  io_backend() = default;

  /// Takes over the descriptor to watch.
  void watch(const completion_executor& executor, int fd);

  // All of these are called with the mutex held.

  virtual void submit(io_request& first) noexcept = 0;
  /// Moves what has finished to `finished`; returns how many.
  [[nodiscard]] virtual std::size_t reap(request_list& finished) noexcept = 0;
  /// Waits for what is in flight and moves everything unfinished to `dropped`. May let go of the
  /// mutex while it waits.
  virtual void finish(std::unique_lock<std::mutex>& lock, request_list& dropped) noexcept = 0;
  /// Nothing is in flight: gives back what the backend has of the kernel and the executor.
  virtual void close() noexcept {}

  std::mutex mutex_;
  std::size_t unfinished_ = 0;  ///< started, and not reaped
  bool ended_ = false;

 private:
  class on_readable;
  friend class on_readable;

  void arm() noexcept;
  void drain() noexcept;

  std::optional<completion_executor> executor_;
  std::optional<asio::posix::stream_descriptor> watched_;
  bool armed_ = false;
  bool draining_ = false;
  std::thread::id drainer_;
  std::condition_variable drained_;
  request_list finished_;  ///< reaped, `complete` not called yet

  handler_memory_of<512> wait_memory_;  ///< of the one wait that may be outstanding
};

}  // namespace nori::storage

#endif

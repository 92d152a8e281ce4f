#ifndef NORI_BENCH_RAW_RING_HPP
#define NORI_BENCH_RAW_RING_HPP

#include <liburing.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>

namespace nori::bench::raw {

/// An io_uring for one thread. Throws std::system_error.
class ring {
 public:
  /// What becomes of completions.
  enum class mode : std::uint8_t {
    posted,    ///< they are there as soon as the thread enters the kernel for whatever reason
    deferred,  ///< only when the thread waits for them: cheaper
  };

  /// Null where the kernel allows none. To be made on the thread that uses it.
  [[nodiscard]] static std::unique_ptr<ring> try_make(unsigned entries, mode completions);
  ~ring();
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;

  /// Saves the kernel looking them up for every write; where it refuses, nothing changes.
  void register_file(int fd) noexcept;
  void register_buffer(void* data, std::size_t bytes) noexcept;

  // Each queues one operation; `id` comes back with its completion.
  void write(int fd, const void* data, std::size_t bytes, std::uint64_t offset, bool durable,
             std::uint64_t id);
  void write(int fd, const iovec* pieces, unsigned count, std::uint64_t offset, std::uint64_t id);
  void datasync(int fd, std::uint64_t id);

  void submit();

  struct completion {
    std::uint64_t id;
    std::int32_t result;
  };
  /// Submits what is queued and waits for a completion.
  [[nodiscard]] completion submit_and_wait();
  /// @returns false when there is none yet.
  [[nodiscard]] bool poll(completion& to);

 private:
  ring() = default;
  [[nodiscard]] io_uring_sqe* next_entry();
  void aim(io_uring_sqe* entry, std::uint64_t id) const noexcept;

  io_uring ring_{};
  bool open_ = false;
  bool file_registered_ = false;
  const void* buffer_ = nullptr;
  std::size_t buffer_bytes_ = 0;
};

}  // namespace nori::bench::raw

#endif

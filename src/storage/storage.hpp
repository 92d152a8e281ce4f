#ifndef NORI_STORAGE_STORAGE_HPP
#define NORI_STORAGE_STORAGE_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nori/config.hpp>

#include "storage/clock.hpp"
#include "storage/completion_executor.hpp"

namespace nori::storage {

namespace asio = boost::asio;

/// An open file. Dropping the last reference closes it, off the caller's thread; an operation in
/// flight keeps it open.
class file {
 public:
  virtual ~file() = default;
  /// Reads and writes bypass the page cache and must be aligned to format::block_bytes in memory
  /// address, offset and length.
  [[nodiscard]] virtual bool direct() const noexcept = 0;

 protected:
  file() = default;
  file(const file&) = delete;
  file& operator=(const file&) = delete;
};
using file_ptr = std::shared_ptr<file>;

enum class io_kind : std::uint8_t { read, write, sync };

/// One read, write or sync, owned by the caller, who keeps it and its buffers alive and in place
/// until `complete` is called. Costs no allocation. May be used again from within `complete`.
struct io_request {
  io_kind kind = io_kind::read;
  /// Of a write: completes when its bytes (and what is needed to read them back) are durable.
  bool durable = false;
  std::uint8_t piece_count = 0;
  std::array<iovec, 3> pieces{};
  std::uint64_t offset = 0;
  file_ptr target;
  /// Called once, on the storage's executor, never from within start(). A plain function: it can
  /// be called in a batch without any indirection of Asio's.
  void (*complete)(io_request&) noexcept = nullptr;
  /// Called once instead of `complete`, by shutdown() or by a start() after it, on their thread.
  /// May be null.
  void (*abandon)(io_request&) noexcept = nullptr;
  void* owner = nullptr;  ///< for `complete` and `abandon`

  /// Bytes transferred (may be fewer than asked for; 0 when reading at the end), or -errno.
  /// EINTR, EAGAIN and the like never come out: the storage tries again. ECANCELED of a dying
  /// submitter thread neither.
  std::int64_t result = 0;

  // The storage's own.
  io_request* next = nullptr;
  alignas(std::max_align_t) std::array<std::byte, 128> scratch{};
};

/// There is no file of that name.
[[nodiscard]] inline bool is_missing(const boost::system::system_error& error) noexcept {
  return error.code() == boost::system::errc::no_such_file_or_directory;
}

struct directory_entry {
  std::string name;
  std::uint64_t bytes = 0;
  bool regular = true;  ///< neither symbolic link nor anything else special
};

/// Memory whose second half is the first half again: a piece of up to `bytes` that starts anywhere
/// in the first half is contiguous.
class ring_memory {
 public:
  virtual ~ring_memory() = default;
  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 protected:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Zeros to write, aligned for direct I/O; they take no memory.
inline constexpr std::size_t zeros_bytes = std::size_t{1} << 20;
[[nodiscard]] const std::byte* zeros();

enum class open_mode : std::uint8_t {
  read,         ///< buffered, read only; with read-ahead for sequential use
  read_direct,  ///< read only, bypassing the page cache where the file system can (else the cached
                ///< pages are dropped first): what the device has, not what the cache believes
  write,        ///< read and write, direct where the file system can; must exist
  create,       ///< as write; must not exist; mode 0600
};

/// A read of what the kernel's page cache holds.
struct cached_read {
  cached_read() = default;

  file_ptr from;
  std::uint64_t offset = 0;
  void* to = nullptr;
  std::size_t bytes = 0;
  std::size_t got = 0;
};

/// The only way to files: one directory, opened once; every name is relative to it and is opened
/// without following symbolic links.
///
/// Three implementations pass one conformance suite (test/storage): uring, threads, and the
/// simulated one. Awaitable functions never block the caller's thread; they throw
/// boost::system::system_error with the system's code and a text that names the file and the call.
/// They run at most on a helper thread, resume on the caller's executor, and can't be cancelled.
///
/// @par Thread safety
/// Safe to call from any thread.
class storage {
 public:
  virtual ~storage() = default;

  [[nodiscard]] virtual nori::backend which() const noexcept = 0;

  /// The clock to keep to; null: the system's.
  [[nodiscard]] virtual clock* simulated_clock() noexcept { return nullptr; }
  /// 32 bits that nobody can guess, or that follow from the seed of a simulation.
  [[nodiscard]] virtual std::uint32_t random_word();

  /// Starts `first` and the requests linked behind it by `next`, in one system call where possible.
  /// Completions come in any order. More than the backend can take wait inside.
  virtual void start(io_request& first) noexcept = 0;

  /// Reads what the kernel's page cache holds, without waiting for a device. Returns how many of
  /// the bytes from `offset` on it got: none where it would have to wait or can't tell, as for a
  /// direct file, and fewer than asked for where the rest isn't cached or the file ends. Whoever
  /// needs the rest start()s a read. Errors are left to that, too.
  [[nodiscard]] virtual std::size_t read_cached(const file_ptr& /*from*/, std::uint64_t /*offset*/,
                                                void* /*to*/, std::size_t /*bytes*/) noexcept {
    return 0;
  }
  /// The same for several, in fewer system calls where possible.
  virtual void read_all_cached(std::span<cached_read> all) noexcept {
    for (cached_read& each : all) {
      each.got = read_cached(each.from, each.offset, each.to, each.bytes);
    }
  }

  [[nodiscard]] virtual asio::awaitable<file_ptr> open(std::string name, open_mode mode) = 0;
  [[nodiscard]] virtual asio::awaitable<std::uint64_t> size(file_ptr of) = 0;
  /// Reserves blocks for [offset, offset + bytes) and extends the file to cover them. ENOSPC,
  /// EDQUOT and EFBIG leave the file usable as before. On file systems without fallocate it writes
  /// zeros.
  [[nodiscard]] virtual asio::awaitable<void> allocate(file_ptr of, std::uint64_t offset,
                                                       std::uint64_t bytes) = 0;
  [[nodiscard]] virtual asio::awaitable<void> truncate(file_ptr of, std::uint64_t bytes) = 0;
  /// Replaces an existing `to`.
  [[nodiscard]] virtual asio::awaitable<void> rename(std::string from, std::string to) = 0;
  [[nodiscard]] virtual asio::awaitable<void> remove(std::string name) = 0;
  [[nodiscard]] virtual asio::awaitable<void> sync_directory() = 0;
  /// Without "." and "..", in no order.
  [[nodiscard]] virtual asio::awaitable<std::vector<directory_entry>> list() = 0;

  /// Memory of `bytes` (a power of two, at least 64 KiB) that a killed process does not take along:
  /// a shared mapping of the file `name`, which is created, given exactly this size, written whole
  /// and touched; all zero. With an empty name: plain memory, touched.
  [[nodiscard]] virtual asio::awaitable<std::unique_ptr<ring_memory>> map_ring(
      std::string name, std::size_t bytes) = 0;

  /// Takes the directory for this opener alone, by an exclusive flock on the file `lock_name`
  /// (created when missing), which the end of the process releases, once its last request is done.
  /// False when another has it; a holder that has ended is waited for, 10 s at most.
  [[nodiscard]] virtual asio::awaitable<bool> lock(std::string lock_name) = 0;
  [[nodiscard]] virtual asio::awaitable<void> unlock() = 0;

  /// Ends for good: waits for what is in flight (its `complete` is not called any more, `abandon`
  /// is), destroys waiting handlers without invoking them (except those that the executor already
  /// has), unlocks. Called when the execution context goes away, and by the destructor; also from
  /// within `complete`. Not to be called with a lock held that a `complete` takes.
  virtual void shutdown() noexcept = 0;
};

struct open_options {
  std::filesystem::path dir;
  nori::backend backend = nori::backend::automatic;
  bool read_only = false;  ///< the directory must exist and is never changed
};

/// Opens the directory (created with mode 0700 when missing) on the backend asked for.
///
/// @throws errc::insecure_directory where others than the owner may write to the directory (sticky
///   or not), errc::backend_unavailable where the backend can't run here (automatic falls back to
///   threads), or the system's error.
[[nodiscard]] asio::awaitable<std::shared_ptr<storage>> open_storage(open_options options,
                                                                     completion_executor executor);

/// Waits for one request. For work that may allocate: recovery, preparing segments.
/// Returns request.result; the request must not be in use. Resumes on the caller's executor.
[[nodiscard]] asio::awaitable<std::int64_t> perform(storage& on, io_request& request);

/// Waits for all of them at once, started as one chain in the order given; each has its own result.
/// They stay where they are and must not be in use. Resumes on the caller's executor.
[[nodiscard]] asio::awaitable<void> perform_all(storage& on, std::span<io_request> requests);

/// Reads or writes exactly `bytes`, resuming short transfers. A read that meets the end of the file
/// returns what there is. `name` goes into the error.
[[nodiscard]] asio::awaitable<std::size_t> read_at(storage& on, file_ptr from, std::uint64_t offset,
                                                   void* to, std::size_t bytes,
                                                   std::string_view name);
[[nodiscard]] asio::awaitable<void> write_at(storage& on, file_ptr to, std::uint64_t offset,
                                             const void* from, std::size_t bytes, bool durable,
                                             std::string_view name);
[[nodiscard]] asio::awaitable<void> sync(storage& on, file_ptr what, std::string_view name);

}  // namespace nori::storage

#endif

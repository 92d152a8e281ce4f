#ifndef NORI_STORAGE_DIRECTORY_HPP
#define NORI_STORAGE_DIRECTORY_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "storage/posix_file.hpp"
#include "storage/storage.hpp"

namespace nori::storage {

/// A directory opened once, and the blocking calls on what is in it.
///
/// Names are relative: never a path, never through a symbolic link. Throws
/// boost::system::system_error as storage says.
///
/// @par Thread safety
/// Safe to call from any thread; lock and unlock one at a time.
class directory {
 public:
  /// Creates `dir` with mode 0700 when it is missing (and `read_only` is false), and checks who may
  /// write to it.
  directory(const std::filesystem::path& dir, bool read_only);

  [[nodiscard]] bool read_only() const noexcept { return read_only_; }
  /// @throws errc::read_only, naming the call, where nothing may be changed.
  void check_writable(std::string_view call, std::string_view name) const;

  [[nodiscard]] opened_file open(const std::string& name, open_mode mode);
  /// For read and write, created with mode 0600 where missing; buffered.
  [[nodiscard]] unique_fd open_or_create(const std::string& name) const;
  void rename(const std::string& from, const std::string& to) const;
  void remove(const std::string& name) const;
  void sync() const;
  [[nodiscard]] std::vector<directory_entry> list() const;

  [[nodiscard]] bool lock(const std::string& name);
  void unlock() noexcept;
  /// While locked.
  [[nodiscard]] int lock_fd() const noexcept { return lock_.get(); }

 private:
  [[nodiscard]] unique_fd try_open(const std::string& name, int flags) const noexcept;
  [[nodiscard]] bool make_direct(int fd, bool writes, const std::string& name);

  unique_fd self_;
  unique_fd lock_;
  bool read_only_;
  // What was found out about direct I/O; the files of one directory share a file system.
  enum class answer : std::uint8_t { unknown, works, refused };
  std::atomic<answer> direct_io_{answer::unknown};
};

/// Throws the errno in `error`, with a text that names the call and the file.
[[noreturn]] void throw_errno(int error, std::string_view call, std::string_view name);

// On an open file; `name` goes into the error.
[[nodiscard]] std::uint64_t size_of(int fd, std::string_view name);
/// As storage::read_cached.
[[nodiscard]] std::size_t read_cached(int fd, std::uint64_t offset, void* to,
                                      std::size_t bytes) noexcept;
void truncate(int fd, std::uint64_t bytes, std::string_view name);
/// As storage::allocate.
void allocate(int fd, std::uint64_t offset, std::uint64_t bytes, std::string_view name);
/// Writes zeros over [offset, offset + bytes), which must be whole blocks.
void write_zeros(int fd, std::uint64_t offset, std::uint64_t bytes, std::string_view name);

}  // namespace nori::storage

#endif

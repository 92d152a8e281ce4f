#ifndef NORI_BENCH_RAW_FILES_HPP
#define NORI_BENCH_RAW_FILES_HPP

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>

namespace nori::bench::raw {

inline constexpr std::size_t block_bytes = 4096;

[[nodiscard]] constexpr std::uint64_t block_floor(std::uint64_t n) noexcept {
  return n & ~std::uint64_t{block_bytes - 1};
}
[[nodiscard]] constexpr std::uint64_t block_ceil(std::uint64_t n) noexcept {
  return block_floor(n + block_bytes - 1);
}

class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor();
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_ = -1;
};

/// Memory that direct I/O takes.
class blocks {
 public:
  explicit blocks(std::size_t bytes);
  [[nodiscard]] std::byte* data() const noexcept { return memory_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  struct release {
    void operator()(std::byte* memory) const noexcept;
  };
  std::size_t bytes_;
  std::unique_ptr<std::byte, release> memory_;
};

[[nodiscard]] bool direct_io_works(const std::filesystem::path& dir) noexcept;

/// Creates a file of `bytes` zeros, written and synced, and opens it for direct I/O if `direct`.
/// Later writes to it change no metadata.
[[nodiscard]] descriptor make_zero_file(const std::filesystem::path& path, std::uint64_t bytes,
                                        bool direct);
[[nodiscard]] descriptor open_for_reading(const std::filesystem::path& path);

/// Takes the files in a directory out of the page cache.
void drop_cached(const std::filesystem::path& dir);
/// Brings them into it, by reading: what writing leaves there lies differently, or not at all.
void bring_into_cache(const std::filesystem::path& dir);

void write_all(int fd, const std::byte* from, std::size_t bytes, std::uint64_t offset);

/// A shared mapping of a file, twice in a row, so that what wraps around is contiguous. Every page
/// is resident from the start.
class mapped_ring {
 public:
  /// `bytes`: a multiple of the block.
  mapped_ring(const std::filesystem::path& path, std::size_t bytes);
  ~mapped_ring();
  mapped_ring(const mapped_ring&) = delete;
  mapped_ring& operator=(const mapped_ring&) = delete;

  [[nodiscard]] std::byte* at(std::uint64_t offset) const noexcept {
    return memory_ + offset % bytes_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

 private:
  std::size_t bytes_;
  std::byte* memory_ = nullptr;
};

[[noreturn]] void throw_errno(int error, const char* what);

}  // namespace nori::bench::raw

#endif

#include "raw/files.hpp"
#include "common/measure.hpp"
#include "common/scratch.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>

#include "common/measure.hpp"
#include "common/scratch.hpp"

namespace nori::bench::raw {

namespace {

constexpr std::size_t zero_piece_bytes = std::size_t{1} << 20;

descriptor open_file(const std::filesystem::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) throw_errno(errno, "open a file of the raw loop");
  return descriptor(fd);
}

}  // namespace

void throw_errno(int error, const char* what) {
  throw std::system_error(error, std::system_category(), what);
}

descriptor::~descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

blocks::blocks(std::size_t bytes)
    : bytes_(block_ceil(bytes)),
      memory_(static_cast<std::byte*>(std::aligned_alloc(block_bytes, bytes_))) {
  if (!memory_) throw std::bad_alloc();
  std::memset(memory_.get(), 0, bytes_);
}

void blocks::release::operator()(std::byte* memory) const noexcept { std::free(memory); }

bool direct_io_works(const std::filesystem::path& dir) noexcept {
  try {
    const auto path = dir / "direct_io_probe";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
    const descriptor owned(fd);
    const blocks probe(block_bytes);
    const bool works =
        fd >= 0 && ::pwrite(fd, probe.data(), block_bytes, 0) == ssize_t{block_bytes};
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    return works;
  } catch (...) {
    return false;
  }
}

void write_all(int fd, const std::byte* from, std::size_t bytes, std::uint64_t offset) {
  while (bytes != 0) {
    const ssize_t done = ::pwrite(fd, from, bytes, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) throw_errno(done < 0 ? errno : EIO, "raw write");
    from += done;
    bytes -= static_cast<std::size_t>(done);
    offset += static_cast<std::uint64_t>(done);
  }
}

descriptor make_zero_file(const std::filesystem::path& path, std::uint64_t bytes, bool direct) {
  descriptor file = open_file(path, O_RDWR | O_CREAT | O_EXCL | (direct ? O_DIRECT : 0));
  const blocks zeros(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, zero_piece_bytes)));
  for (std::uint64_t at = 0; at < bytes;) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), bytes - at));
    write_all(file.get(), zeros.data(), piece, at);
    at += piece;
  }
  if (::fsync(file.get()) != 0) throw_errno(errno, "sync a file of the raw loop");
  return file;
}

descriptor open_for_reading(const std::filesystem::path& path) {
  descriptor file = open_file(path, O_RDONLY);
  static_cast<void>(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_SEQUENTIAL));
  return file;
}

void drop_cached(const std::filesystem::path& dir) {
  settle(dir);
  for (const auto& each : std::filesystem::recursive_directory_iterator(dir)) {
    if (!each.is_regular_file()) continue;
    const descriptor file = open_for_reading(each.path());
    static_cast<void>(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED));
  }
}

void bring_into_cache(const std::filesystem::path& dir) {
  drop_cached(dir);
  const blocks buffer(std::size_t{1} << 20);
  for (const auto& each : std::filesystem::recursive_directory_iterator(dir)) {
    if (!each.is_regular_file()) continue;
    const descriptor file = open_for_reading(each.path());
    while (::read(file.get(), buffer.data(), buffer.size()) > 0) throw_if_interrupted();
  }
}

mapped_ring::mapped_ring(const std::filesystem::path& path, std::size_t bytes) : bytes_(bytes) {
  const descriptor file = make_zero_file(path, bytes, false);
  void* const room = ::mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) throw_errno(errno, "reserve memory");
  memory_ = static_cast<std::byte*>(room);
  for (std::byte* const half : {memory_, memory_ + bytes}) {
    if (::mmap(half, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
               file.get(), 0) == MAP_FAILED) {
      const int error = errno;
      ::munmap(memory_, 2 * bytes);
      throw_errno(error, "map the staging file");
    }
  }
  for (std::size_t i = 0; i < 2 * bytes; i += block_bytes) memory_[i] = std::byte{0};
}

mapped_ring::~mapped_ring() { ::munmap(memory_, 2 * bytes_); }

}  // namespace nori::bench::raw

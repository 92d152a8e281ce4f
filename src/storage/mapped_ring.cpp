#include "storage/mapped_ring.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <string>

#include <nori/error.hpp>

#include "storage/directory.hpp"

// Younger than the oldest headers that we build with.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace nori::storage {

namespace {

constexpr std::size_t ring_bytes_lowest = std::size_t{64} << 10;

void check_size(std::size_t bytes) {
  if (bytes < ring_bytes_lowest || !std::has_single_bit(bytes)) {
    throw_error(errc::invalid_config, "ring memory of " + std::to_string(bytes) +
                                          " bytes: must be a power of two, at least 65536");
  }
}

void touch(std::byte* from, std::size_t bytes, std::string_view name) {
  // Reports as an error what a store would report as SIGBUS.
  if (::madvise(from, bytes, MADV_POPULATE_WRITE) == 0) return;
  if (errno != EINVAL) throw_errno(errno, "touch the memory of", name);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t at = 0; at < bytes; at += page) {
    auto* const byte = reinterpret_cast<volatile unsigned char*>(from + at);
    *byte = *byte;
  }
}

}  // namespace

mapped_ring::mapped_ring(const unique_fd& backing, std::size_t bytes, std::string_view name) {
  void* const reserved =
      ::mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) throw_errno(errno, "map", name);
  auto* const data = static_cast<std::byte*>(reserved);
  try {
    for (std::byte* const half : {data, data + bytes}) {
      if (::mmap(half, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, backing.get(), 0) ==
          MAP_FAILED) {
        throw_errno(errno, "map", name);
      }
    }
    // A forked child must not write into its parent's log.
    if (::madvise(data, 2 * bytes, MADV_DONTFORK) != 0) throw_errno(errno, "madvise", name);
    touch(data, 2 * bytes, name);
  } catch (...) {
    ::munmap(data, 2 * bytes);
    throw;
  }
  data_ = data;
  bytes_ = bytes;
}

mapped_ring::~mapped_ring() { ::munmap(data_, 2 * bytes_); }

std::unique_ptr<ring_memory> map_file(const unique_fd& file, std::size_t bytes,
                                      std::string_view name) {
  check_size(bytes);
  if (size_of(file.get(), name) != bytes) truncate(file.get(), 0, name);
  allocate(file.get(), 0, bytes, name);
  write_zeros(file.get(), 0, bytes, name);
  // The blocks of a delayed or an unwritten allocation are found now, when it may still fail.
  if (::fdatasync(file.get()) != 0) throw_errno(errno, "sync", name);
  return std::make_unique<mapped_ring>(file, bytes, name);
}

std::unique_ptr<ring_memory> map_memory(std::size_t bytes) {
  check_size(bytes);
  constexpr std::string_view name = "memory";
  unique_fd memory(::memfd_create("nori", MFD_CLOEXEC | MFD_NOEXEC_SEAL));
  if (!memory && errno == EINVAL) memory.reset(::memfd_create("nori", MFD_CLOEXEC));
  if (!memory) throw_errno(errno, "create", name);
  allocate(memory.get(), 0, bytes, name);
  return std::make_unique<mapped_ring>(memory, bytes, name);
}

}  // namespace nori::storage

#include <sys/mman.h>

#include <new>

#include "storage/storage.hpp"

namespace nori::storage {

const std::byte* zeros() {
  // Only ever read: the kernel backs all of it by its one page of zeros.
  static const void* const memory = [] {
    void* mapped = ::mmap(nullptr, zeros_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    return mapped;
  }();
  return static_cast<const std::byte*>(memory);
}

}  // namespace nori::storage

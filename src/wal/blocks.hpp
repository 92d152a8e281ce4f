#ifndef NORI_WAL_BLOCKS_HPP
#define NORI_WAL_BLOCKS_HPP

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "format/frame.hpp"

namespace nori {

struct free_blocks {
  void operator()(std::byte* memory) const noexcept { std::free(memory); }
};
using unique_blocks = std::unique_ptr<std::byte, free_blocks>;

/// Memory aligned for direct I/O; `bytes` is a multiple of format::block_bytes. Not initialized.
/// @throws std::bad_alloc
[[nodiscard]] inline unique_blocks allocate_blocks(std::size_t bytes) {
  unique_blocks memory(static_cast<std::byte*>(std::aligned_alloc(format::block_bytes, bytes)));
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace nori

#endif

#ifndef NORI_STORAGE_MAPPED_RING_HPP
#define NORI_STORAGE_MAPPED_RING_HPP

#include <cstddef>
#include <memory>
#include <string_view>

#include "storage/posix_file.hpp"
#include "storage/storage.hpp"

namespace nori::storage {

/// Pages mapped twice, one mapping behind the other, shared with the kernel's page cache.
class mapped_ring final : public ring_memory {
 public:
  /// Maps `backing`, whose size is `bytes`, and makes every page present and writable.
  mapped_ring(const unique_fd& backing, std::size_t bytes, std::string_view name);
  ~mapped_ring() override;
};

/// Fills the file with `bytes` of zeros, written rather than reserved, and maps it: no later store
/// can meet a full disk, which would come as SIGBUS. Except on btrfs, which copies on write: there
/// a store into what was written back needs a block. (To tell the file to keep its blocks does not
/// help: on Linux 6.18 such a store was seen to be tried for ever.)
[[nodiscard]] std::unique_ptr<ring_memory> map_file(const unique_fd& file, std::size_t bytes,
                                                    std::string_view name);
[[nodiscard]] std::unique_ptr<ring_memory> map_memory(std::size_t bytes);

}  // namespace nori::storage

#endif

#ifndef NORI_STORE_PART_HPP
#define NORI_STORE_PART_HPP

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nori/store/event.hpp>

#include "storage/storage.hpp"
#include "store/index_file.hpp"
#include "store/memory_index.hpp"

namespace nori::store {

/// A run of one segment's events that one index knows: a sealed segment, or what of the newest
/// segment was there when the store was closed, or what came since.
///
/// Guarded by the store's mutex, but for what never changes.
struct part {
  part(std::uint64_t segment, std::uint32_t offset, std::uint64_t first)
      : segment_id(segment), from(offset), first_global(first), end_global(first) {}

  const std::uint64_t segment_id;
  const std::uint32_t from;  ///< offset in the segment; its events lie at or behind it
  const std::uint64_t first_global;

  bool grows = false;            ///< the last one: its events come one by one
  std::uint64_t end_global = 0;  ///< unless it grows
  std::uint64_t end_offset = 0;  ///< nothing of it lies at or behind; unless it grows
  /// In memory, or in a file; neither: lost, and to be made again.
  std::shared_ptr<memory_index> memory;
  index_file_ptr index;
  bool unwritable = false;   ///< its index could not be written: it stays in memory
  std::string lost_because;  ///< why it could not be made again
  bool starved = false;      ///< because memory ran out

  // The segment's file, while it is kept open.
  storage::file_ptr data;
  std::uint64_t data_used = 0;

  [[nodiscard]] bool indexed() const noexcept { return memory != nullptr || index != nullptr; }
  [[nodiscard]] std::uint64_t end() const noexcept {
    return grows ? memory->end_global() : end_global;
  }
};
using part_ptr = std::shared_ptr<part>;

/// All parts, in order, without gaps between them. Replaced as a whole when one comes or goes, so
/// that a reader keeps what it began with.
using part_list = std::shared_ptr<const std::vector<part_ptr>>;

}  // namespace nori::store

#endif

#ifndef NORI_STORE_INDEX_WRITER_HPP
#define NORI_STORE_INDEX_WRITER_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/index_format.hpp"

namespace nori::store {

/// Makes the bytes of an index file, front to back (INDEX.md). Does no I/O.
///
/// What is finished is to be taken and written piece by piece. What is held back is little: a
/// few hundred KiB, and 4 bytes a key plus the first keys of the leaves until finish() turns them
/// into the filter and the inner pages.
///
/// Order of calls: set_offsets at most once, add for each key, finish.
class index_writer {
 public:
  explicit index_writer(const index_facts& facts);

  /// The offset of each event in the segment, ascending and within the range of the facts. Not
  /// called where there are none.
  void set_offsets(std::span<const std::uint32_t> offsets);

  /// Keys come in ascending order of kind and name, compared byte by byte; a name is 1 to
  /// name_bytes_max long. Revisions count for streams only: first <= last. Offsets as above; a
  /// stream may have none.
  void add(key_kind kind, std::string_view name, std::uint64_t first_revision,
           std::uint64_t last_revision, std::span<const std::uint32_t> offsets);

  /// Ends the file.
  void finish();

  [[nodiscard]] std::size_t ready_bytes() const noexcept { return out_.size(); }
  /// What is finished and was not taken yet: whole pages, to be written behind those taken before.
  [[nodiscard]] std::vector<std::byte> take();

 private:
  struct child {
    std::string separator;
    std::uint32_t page = 0;
  };
  // Encodes a list of offsets: inline, or into pages of postings.
  [[nodiscard]] posting_ref place(std::span<const std::uint32_t> offsets);
  [[nodiscard]] posting_ref write_postings(std::span<const std::uint32_t> offsets);
  void close_postings();
  void finish_leaf();
  void write_inner_levels();
  void write_offset_index();
  void write_filter();
  // Seals a page with the next number.
  void write_page(std::byte* bytes);

  index_footer footer_;
  std::uint32_t seed_;
  std::vector<std::byte> out_;

  page_builder leaf_;
  std::string leaf_first_;      ///< first key of the open leaf
  std::string leaf_separator_;  ///< above it, and not above its first key
  std::string last_key_;
  std::string key_;
  std::vector<std::byte> entry_;

  // While a page of postings is open it has the next number, so finished leaves wait for it: a
  // list needs consecutive pages.
  page_builder postings_;
  bool postings_open_ = false;
  std::vector<std::byte> held_leaves_;
  std::vector<child> leaves_;

  std::vector<std::uint32_t> offset_firsts_;
  std::vector<std::uint32_t> key_sums_;
};

}  // namespace nori::store

#endif

#ifndef NORI_STORE_INDEX_FORMAT_HPP
#define NORI_STORE_INDEX_FORMAT_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "format/frame.hpp"
#include "format/varint.hpp"
#include "store/page_cache.hpp"

// The bytes of an index file, which INDEX.md specifies. No I/O.

namespace nori::store {

/// An index file, or a page of it, is not what it should be: rebuild it. The text names the file
/// and the page where they are known.
class index_damaged : public std::runtime_error {
 public:
  explicit index_damaged(const std::string& text, std::string file = {})
      : std::runtime_error(text), file_(std::move(file)) {}

  /// The name of the file; empty where only bytes were looked at.
  [[nodiscard]] const std::string& file() const noexcept { return file_; }

 private:
  std::string file_;
};

/// What is looked up. The values order the keys.
enum class key_kind : char { tag = 'g', stream = 's', type = 't' };

inline constexpr std::uint32_t index_version = 1;
inline constexpr std::size_t page_sum_at = page_bytes - 4;  ///< of the page's CRC
inline constexpr std::size_t name_bytes_max = 512;
inline constexpr std::size_t key_bytes_max = 1 + name_bytes_max;
inline constexpr std::size_t offsets_per_page = page_sum_at / 4;
inline constexpr std::size_t inline_bytes_max = 64;
inline constexpr std::size_t levels_max = 16;
inline constexpr std::size_t filter_block_bytes = 64;
inline constexpr std::size_t filter_blocks_per_page = page_sum_at / filter_block_bytes;
inline constexpr std::size_t filter_bits_per_key = 12;
inline constexpr std::size_t filter_probes = 6;

/// What the writer is told of the part of a segment that an index covers.
struct index_facts {
  format::log_id log{};
  std::uint64_t segment_id = 0;
  std::uint64_t from_offset = 0;  ///< in the segment; events lie in [from_offset, to_offset)
  std::uint64_t to_offset = 0;
  std::uint64_t first_global_position = 0;  ///< of event 0
  std::int64_t first_time_ns = 0;
  std::int64_t last_time_ns = 0;
  std::uint32_t last_frame_crc = 0;  ///< crc field of the last frame covered

  friend bool operator==(const index_facts&, const index_facts&) = default;
};

//  The last page: a table in INDEX.md.
struct index_footer {
  index_facts facts;
  std::uint64_t event_count = 0;
  std::uint64_t key_count = 0;
  std::uint32_t page_count = 0;  ///< of the file, this one included
  std::uint32_t levels = 0;      ///< of the tree of keys, leaves included; 0 where there are none
  std::uint32_t root_page = 0;
  std::uint32_t offset_index_page = 0;
  std::uint32_t filter_page = 0;
  std::uint32_t filter_blocks = 0;

  [[nodiscard]] std::uint64_t offset_pages() const noexcept {
    return (event_count + offsets_per_page - 1) / offsets_per_page;
  }
  [[nodiscard]] std::uint64_t offset_index_pages() const noexcept {
    return (offset_pages() + offsets_per_page - 1) / offsets_per_page;
  }
  [[nodiscard]] std::uint64_t filter_pages() const noexcept {
    return (std::uint64_t{filter_blocks} + filter_blocks_per_page - 1) / filter_blocks_per_page;
  }

  friend bool operator==(const index_footer&, const index_footer&) = default;
};
using index_summary = index_footer;

/// What the CRC of a footer, and those of the other pages, continue.
[[nodiscard]] std::uint32_t footer_seed(const format::log_id& log,
                                        std::uint64_t segment_id) noexcept;
[[nodiscard]] std::uint32_t page_seed(const index_facts& facts) noexcept;
/// Writes the CRC, of a page that is complete but for it.
void seal_page(std::byte* bytes, std::uint32_t seed, std::uint32_t number) noexcept;
[[nodiscard]] bool check_page(const std::byte* bytes, std::uint32_t seed,
                              std::uint32_t number) noexcept;

void store_footer(std::byte* bytes, const index_footer& footer) noexcept;
/// Judges the last page of a file of `page_count` pages.
[[nodiscard]] index_footer parse_footer(const std::byte* bytes, std::uint64_t page_count,
                                        const format::log_id& log, std::uint64_t segment_id);

/// Where the offsets of a key are: `inlined`, or in `pages` consecutive pages of postings, of which
/// the first part begins at `start` in the first page, and the last part has `last_count` offsets.
struct posting_ref {
  std::uint32_t first_page = 0;
  std::uint32_t pages = 0;  ///< 0: inline
  std::uint16_t start = 0;
  std::uint16_t last_count = 0;
  std::uint8_t inline_bytes = 0;
  std::array<std::byte, inline_bytes_max> inlined{};
};

/// What a leaf says of a key.
struct leaf_value {
  std::uint64_t first_revision = 0;  ///< of streams, as the next one; else 0
  std::uint64_t last_revision = 0;
  std::uint64_t count = 0;  ///< of offsets; as stated, reserve nothing by it
  posting_ref postings;
};

enum class page_kind : std::uint8_t { postings = 1, leaf = 2, inner = 3 };
inline constexpr std::size_t page_header_bytes = 8;

/// A page with a header and, for leaves and inner pages, entries, while it is being made.
class page_builder {
 public:
  page_builder() noexcept { clear(); }

  void clear() noexcept;
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t end() const noexcept { return end_; }
  /// Bytes left for an entry and what finds it.
  [[nodiscard]] std::size_t room() const noexcept { return page_sum_at - 2 * count_ - end_; }
  /// Adds an entry; returns false, and changes nothing, where there is no room.
  bool add_entry(std::span<const std::byte> bytes) noexcept;
  /// Of postings: where the next value goes.
  [[nodiscard]] std::byte* at_end() noexcept { return bytes_.data() + end_; }
  void grow(std::size_t bytes) noexcept { end_ += bytes; }
  /// Writes the header; the page lacks only its CRC then.
  [[nodiscard]] std::byte* complete(page_kind kind, std::uint8_t level) noexcept;

 private:
  alignas(8) std::array<std::byte, page_bytes> bytes_;
  std::size_t end_ = page_header_bytes;
  std::size_t count_ = 0;
};

/// Entries of a leaf and of an inner page, encoded; `first` is the first key of the page, empty for
/// the first entry.
void encode_leaf_entry(std::vector<std::byte>& to, std::string_view first, std::string_view key,
                       const leaf_value& value);
void encode_inner_entry(std::vector<std::byte>& to, std::string_view first,
                        std::string_view separator, std::uint32_t child);

/// Reads a leaf or an inner page. Each access is checked: what the bytes say is believed only after
/// its bounds are. Throws index_damaged.
class entry_page {
 public:
  entry_page(const page& of, page_kind kind, std::uint8_t level);

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// The number of the first entry whose key is >= `key`, or > `key`; count() where there is none.
  [[nodiscard]] std::size_t lower_bound(std::string_view key) const;
  [[nodiscard]] std::size_t upper_bound(std::string_view key) const;
  [[nodiscard]] bool key_is(std::size_t at, std::string_view key) const;
  void copy_key(std::size_t at, std::string& to) const;
  /// Of a leaf.
  [[nodiscard]] leaf_value value(std::size_t at, std::uint32_t page_count) const;
  /// Of an inner page.
  [[nodiscard]] std::uint32_t child(std::size_t at, std::uint32_t page_count) const;

 private:
  struct entry {
    std::size_t shared = 0;
    std::string_view suffix;
    std::span<const std::byte> rest;
  };
  [[nodiscard]] entry parse(std::size_t at) const;
  [[nodiscard]] std::size_t bound(std::string_view key, bool above) const;

  const std::byte* bytes_;
  std::size_t count_ = 0;
  std::size_t end_ = 0;
  std::string_view first_;
};

/// Value `at` of a page of offsets, or of first offsets.
[[nodiscard]] std::uint32_t offset_at(const page& of, std::size_t at) noexcept;
/// Decodes offsets: `count` of them, or, where that is 0, as many as there are bytes for; replaces
/// what `to` holds. All must ascend and lie in [from, end). Throws index_damaged.
void decode_offsets(std::span<const std::byte> bytes, std::size_t count, std::uint64_t from,
                    std::uint64_t end, std::vector<std::uint32_t>& to);
/// The bytes of the part of a list that lies in a page of postings, from `start` on.
[[nodiscard]] std::span<const std::byte> posting_bytes(const page& of, std::size_t start);

/// What the filter keeps of a key.
[[nodiscard]] std::uint32_t key_sum(std::string_view key) noexcept;
/// The block of the filter, of `blocks`, that a key belongs to.
[[nodiscard]] std::uint32_t filter_block(std::uint32_t sum, std::uint32_t blocks) noexcept;
void filter_add(std::byte* block, std::uint32_t sum) noexcept;
[[nodiscard]] bool filter_may_have(const std::byte* block, std::uint32_t sum) noexcept;

using format::put_varint;

}  // namespace nori::store

#endif

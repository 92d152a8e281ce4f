#ifndef NORI_FORMAT_SEGMENT_HEADER_HPP
#define NORI_FORMAT_SEGMENT_HEADER_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "format/frame.hpp"

namespace nori::format {

inline constexpr std::uint32_t format_version = 1;
/// Two copies, a block each; frames start behind them.
inline constexpr std::size_t segment_header_bytes = 2 * block_bytes;

//  offset  size  field (little endian)
//  0       8     magic "noriwal" 0x01
//  8       4     format version
//  12      4     zero
//  16      16    log id
//  32      8     segment id
//  40      8     first sequence: of the first frame in this segment
//  48      8     record frames in all segments before
//  56      8     id of the segment before, 0 for the very first
//  64      8     end offset of the segment before
//  72      8     offset of its last frame
//  80      4     crc of its last frame
//  84      4     epoch in force at the start of this segment
//  88      8     time of creation, ns since 1970, UTC
//  96      8     segment_bytes_max of the writer
//  104     8     record_bytes_max of the writer: bounds decompression
//  112     4     node id
//  116     4     1 when the file held another segment before: its bytes may lie behind the end
//  120     3972  zero
//  4092    4     crc32c of bytes [0, 4092)
struct segment_header {
  std::uint32_t version = format_version;
  log_id log{};
  std::uint64_t segment_id = 0;
  std::uint64_t first_sequence = 1;
  std::uint64_t records_before = 0;
  std::uint64_t previous_segment_id = 0;
  std::uint64_t previous_end = 0;
  std::uint64_t previous_last_frame = 0;
  std::uint32_t previous_crc = 0;
  std::uint32_t epoch = 0;
  std::uint64_t created_ns = 0;
  std::uint64_t segment_bytes_max = 0;
  std::uint64_t record_bytes_max = 0;
  std::uint32_t node_id = 0;
  std::uint32_t reused = 0;

  // branch: of code that nobody wrote.
  friend bool operator==(const segment_header&, const segment_header&) = default;
};

/// Writes both copies: segment_header_bytes at `at`.
void store_segment_header(std::byte* at, const segment_header& header) noexcept;

enum class header_verdict : std::uint8_t {
  valid,
  zero,  ///< nothing was written here
  damaged,
  unsupported_version,  ///< the crc is right and the version is another: refuse it by name
  not_a_segment,        ///< another magic
};

struct header_check {
  header_verdict verdict;
  segment_header header;  ///< only when valid (when unsupported_version: only version)
  /// One of the copies does not hold, and the other was taken; or both do and differ, and the one
  /// with the higher segment id was taken.
  bool copy_damaged = false;
};

/// Judges the first segment_header_bytes of a file. Fewer are damaged, or zero where all of them
/// are zero or there are none. One copy of a later version is enough for unsupported_version.
[[nodiscard]] header_check check_segment_header(std::span<const std::byte> bytes) noexcept;

//  The file "log": which log this is and where it begins.
//  offset  size  field (little endian)
//  0       8     magic "norilog" 0x01
//  8       4     format version
//  12      4     zero
//  16      16    log id
//  32      8     id of the first segment that has not been deleted
//  40      8     id of the newest segment file: created, perhaps not begun
//  48      4044  zero
//  4092    4     crc32c of bytes [0, 4092)
struct log_identity {
  std::uint32_t version = format_version;
  log_id log{};
  std::uint64_t first_segment_id = 1;
  std::uint64_t last_segment_id = 0;

  // branch: of code that nobody wrote.
  friend bool operator==(const log_identity&, const log_identity&) = default;
};

inline constexpr std::size_t log_identity_bytes = block_bytes;

void store_log_identity(std::byte* at, const log_identity& identity) noexcept;

struct identity_check {
  header_verdict verdict;  ///< not_a_segment stands for a foreign magic
  log_identity identity;
};
[[nodiscard]] identity_check check_log_identity(std::span<const std::byte> bytes) noexcept;

//  File names, all in the log's directory.
inline constexpr std::string_view identity_file_name = "log";
inline constexpr std::string_view lock_file_name = "lock";
inline constexpr std::string_view staging_file_name = "staging";

/// "00000000000000000001.segment"
[[nodiscard]] std::string segment_file_name(std::uint64_t segment_id);
/// The id, or nothing where the name is no segment's (20 digits, no sign, fits, not 0).
[[nodiscard]] std::optional<std::uint64_t> parse_segment_file_name(std::string_view name) noexcept;

}  // namespace nori::format

#endif

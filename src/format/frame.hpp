#ifndef NORI_FORMAT_FRAME_HPP
#define NORI_FORMAT_FRAME_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "format/crc32c.hpp"

namespace nori::format {

inline constexpr std::size_t block_bytes = 4096;  ///< unit of direct I/O
inline constexpr std::size_t frame_alignment = 8;
inline constexpr std::size_t frame_header_bytes = 32;
/// Largest body. Leaves room for the header and padding in 32 bits.
inline constexpr std::uint32_t body_bytes_highest = (std::uint32_t{1} << 30);

using log_id = std::array<std::uint8_t, 16>;

enum class frame_kind : std::uint8_t {
  record = 1,  ///< body: a record
  marker = 2,  ///< no body: everything before is durable, the log fell idle or was closed
  epoch = 3,   ///< no body: a new epoch begins with this frame
  filler = 4,  ///< body without meaning: a cancelled append
};

enum class frame_flag : std::uint8_t {
  none = 0,
  batch_continues = 1,  ///< the next frame belongs to the same batch
  closed = 2,           ///< of a marker: the log was closed behind it
};

//  offset  size  field (little endian)
//  0       4     crc32c of bytes [4, frame_bytes(length)), continuing the segment's seed
//  4       4     length of the body, bytes
//  8       8     sequence: ordinal of the frame in the log, from 1
//  16      4     crc of the frame before, also across segments; 0 for the very first
//  20      4     durable lag: sequence minus the last sequence known durable when this was written,
//                saturating
//  24      4     epoch
//  28      1     kind
//  29      1     flags
//  30      2     zero
//  32      ...   body, then zeros up to a multiple of 8
struct frame_header {
  std::uint32_t crc = 0;
  std::uint32_t length = 0;
  std::uint64_t sequence = 0;
  std::uint32_t previous_crc = 0;
  std::uint32_t durable_lag = 0;
  std::uint32_t epoch = 0;
  frame_kind kind = frame_kind::record;
  std::uint8_t flags = 0;

  [[nodiscard]] bool has(frame_flag flag) const noexcept {
    return (flags & static_cast<std::uint8_t>(flag)) != 0;
  }
  /// Last sequence known durable when the frame was written; 0 when unknown.
  [[nodiscard]] std::uint64_t durable_watermark() const noexcept {
    return durable_lag >= sequence ? 0 : sequence - durable_lag;
  }
};

/// Bytes that a frame with a body of `length` bytes takes.
[[nodiscard]] constexpr std::uint64_t frame_bytes(std::uint64_t length) noexcept {
  return (frame_header_bytes + length + frame_alignment - 1) & ~std::uint64_t{frame_alignment - 1};
}

/// The crc every frame of a segment continues: stale bytes of another log or segment never pass.
[[nodiscard]] std::uint32_t segment_seed(const log_id& log, std::uint64_t segment_id) noexcept;

/// Completes the frame at `at`, whose body of header.length bytes is already in place: pads it,
/// writes the header and its crc (header.crc is ignored). Returns the crc.
std::uint32_t seal_frame(std::byte* at, const frame_header& header, std::uint32_t seed) noexcept;

/// Whether version 1 has such a frame: a known kind, flags and a body that the kind may have, a
/// sequence that is not 0. Says nothing about the crc.
[[nodiscard]] bool is_known(const frame_header& header) noexcept;

namespace detail {
[[nodiscard]] inline std::uint64_t load_word(const std::byte* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}
}  // namespace detail

/// Reads the header at `at` (32 readable bytes) without checking anything.
[[nodiscard]] inline frame_header load_frame_header(const std::byte* at) noexcept {
  const std::uint64_t words[4] = {detail::load_word(at), detail::load_word(at + 8),
                                  detail::load_word(at + 16), detail::load_word(at + 24)};
  frame_header header;
  header.crc = static_cast<std::uint32_t>(words[0]);
  header.length = static_cast<std::uint32_t>(words[0] >> 32);
  header.sequence = words[1];
  header.previous_crc = static_cast<std::uint32_t>(words[2]);
  header.durable_lag = static_cast<std::uint32_t>(words[2] >> 32);
  header.epoch = static_cast<std::uint32_t>(words[3]);
  header.kind = static_cast<frame_kind>(static_cast<std::uint8_t>(words[3] >> 32));
  header.flags = static_cast<std::uint8_t>(words[3] >> 40);
  return header;
}

enum class frame_verdict : std::uint8_t {
  valid,
  incomplete,  ///< more bytes are needed to tell: at least needed_bytes
  zero,        ///< the header is all zeros: nothing was written here
  bad_length,
  /// The crc is right, but: unknown kind, a flag the kind does not have, a body the kind does not
  /// have, sequence 0, or reserved bytes that are not zero.
  bad_header,
  bad_crc,
};

struct frame_check {
  frame_verdict verdict;
  frame_header header;         ///< as read; to be believed only when valid
  std::uint64_t needed_bytes;  ///< only when incomplete
};

/// Judges the frame that starts `bytes`. `frame_bytes_limit` bounds what a length may claim (what
/// is left of the segment): nothing beyond is ever asked for.
/// bad_header comes last: the crc is right there, so a later version of the format wrote it.
[[nodiscard]] frame_check check_frame(std::span<const std::byte> bytes, std::uint32_t seed,
                                      std::uint64_t frame_bytes_limit) noexcept;

/// check_frame for the most common frame: true where it is valid and a record, with its header.
/// False says nothing.
[[nodiscard]] inline bool is_record_frame(std::span<const std::byte> bytes, std::uint32_t seed,
                                          std::uint64_t frame_bytes_limit,
                                          frame_header& header) noexcept {
  if (bytes.size() < frame_header_bytes) return false;
  header = load_frame_header(bytes.data());
  const std::uint64_t needed = frame_bytes(header.length);
  const std::uint64_t last_word = detail::load_word(bytes.data() + 24);
  if (header.length > body_bytes_highest || needed > frame_bytes_limit || needed > bytes.size() ||
      header.kind != frame_kind::record || header.flags > 1 || (last_word >> 48) != 0 ||
      header.sequence == 0) {
    return false;
  }
  return crc32c(seed, bytes.data() + 4, static_cast<std::size_t>(needed - 4)) == header.crc;
}

}  // namespace nori::format

#endif

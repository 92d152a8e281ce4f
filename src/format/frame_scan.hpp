#ifndef NORI_FORMAT_FRAME_SCAN_HPP
#define NORI_FORMAT_FRAME_SCAN_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "format/frame.hpp"

namespace nori::format {

/// Which frames a scan is after. Whatever can be told from a header is told before any crc is
/// computed, so a narrow pattern makes a fast scan. Give sequence_max where it is known, since the
/// 8 bytes before a frame often begin a plausible header, of some huge sequence: its lag is taken
/// for a kind.
struct frame_pattern {
  std::uint64_t sequence_min = 1;
  std::uint64_t sequence_max = UINT64_MAX;
  std::uint64_t watermark_min = 0;  ///< compared with durable_watermark()
  std::optional<std::uint32_t> previous_crc = {};

  [[nodiscard]] bool matches(const frame_header& header) const noexcept {
    return header.sequence >= sequence_min && header.sequence <= sequence_max &&
           header.durable_watermark() >= watermark_min &&
           (!previous_crc || *previous_crc == header.previous_crc);
  }
};

/// Finds frames in bytes of which nothing is known: behind the first bad frame of a segment, in the
/// staging file. Frames start at multiples of 8 from the start of the bytes.
///
/// It misses none and takes time linear in the bytes, whatever they are. A hostile file can hold a
/// plausible header every 8 bytes, each with a length that reaches to the end; hashing what each of
/// them claims would be quadratic. So hashing stops after 2 times the bytes: from then on the
/// scanner keeps the crc of every prefix that ends at a multiple of 512 bytes, and what a longer
/// frame's crc must be follows from those of the prefixes before and behind it. That hashes less
/// than 1 KiB a candidate and takes 4 bytes of memory for each 512 of input; bytes that are not
/// hostile never get there.
class frame_scanner {
 public:
  /// `bytes` must outlive the scanner; frames that reach past their end are not found.
  frame_scanner(std::span<const std::byte> bytes, std::uint32_t seed) noexcept
      : bytes_(bytes), seed_(seed), hash_budget_(2 * std::uint64_t{bytes.size()}) {}

  /// The offset of the first frame at or behind `from` that check_frame finds valid and that
  /// matches. Call with a rising `from`: the bound holds for one pass over the bytes.
  /// @throws std::bad_alloc for the prefixes.
  [[nodiscard]] std::optional<std::size_t> next(std::size_t from, const frame_pattern& pattern);

  /// Bytes put through a crc so far.
  [[nodiscard]] std::uint64_t hashed_bytes() const noexcept { return hashed_bytes_; }

 private:
  [[nodiscard]] bool crc_holds(std::size_t offset, std::size_t frame_size, std::uint32_t crc);
  [[nodiscard]] std::uint32_t prefix_crc(std::size_t end);
  [[nodiscard]] std::uint32_t hash(std::uint32_t crc, std::size_t from, std::size_t to) noexcept;

  std::span<const std::byte> bytes_;
  std::uint32_t seed_;
  std::uint64_t hash_budget_;
  std::uint64_t hashed_bytes_ = 0;
  std::vector<std::uint32_t> prefixes_;  // [i]: crc32c(0, the first 512 * i bytes)
};

/// The first frame at or behind `from` whose sequence is `minimum_sequence` or a later one that
/// fits into the bytes: frames are numbered without gaps and take 32 bytes at least, so one of
/// minimum_sequence + bytes.size() / 32 is the last that can lie behind frame minimum_sequence.
[[nodiscard]] std::optional<std::size_t> find_frame(std::span<const std::byte> bytes,
                                                    std::size_t from, std::uint32_t seed,
                                                    std::uint64_t minimum_sequence);

}  // namespace nori::format

#endif

#include "engine/chain_scanner.hpp"

#include <algorithm>

#include "format/frame_scan.hpp"
#include "format/planted_bug.hpp"

namespace nori::engine {

chain_scanner::chain_scanner(std::uint32_t seed, const chain_state& before, std::uint64_t offset,
                             std::uint64_t offset_limit) noexcept
    : seed_(seed), offset_(offset), limit_(offset_limit), chain_(before) {
  committed_ = {offset, before, 0, false};
}

chain_scanner::progress chain_scanner::feed(std::span<const std::byte> bytes) noexcept {
  std::size_t consumed = 0;
  for (;;) {
    const std::uint64_t left = limit_ > offset_ ? limit_ - offset_ : 0;
    const auto check = format::check_frame(bytes.subspan(consumed), seed_, left);
    if (check.verdict == format::frame_verdict::incomplete) {
      return {scan_stop::more, consumed, check.needed_bytes, check.verdict};
    }
    if (check.verdict != format::frame_verdict::valid || !continues(chain_, check.header)) {
      return {scan_stop::broken, consumed, 0, check.verdict};
    }
    const format::frame_header& header = check.header;
    const std::uint64_t size = format::frame_bytes(header.length);
    chain_.sequence = header.sequence;
    chain_.crc = header.crc;
    chain_.epoch = header.epoch;
    chain_.last_frame = offset_;
    if (header.kind == format::frame_kind::record) {
      ++chain_.records;
      last_record_ = offset_;
    }
    offset_ += size;
    consumed += size;
    if (!header.has(format::frame_flag::batch_continues) ||
        planted(format::planted_bug::adopt_failed_batch_orphans)) {
      const bool closed =
          header.kind == format::frame_kind::marker && header.has(format::frame_flag::closed);
      committed_ = {offset_, chain_, last_record_, closed};
    }
  }
}

std::optional<std::size_t> find_proof(std::span<const std::byte> bytes, std::uint32_t seed,
                                      std::uint64_t sequence, std::uint64_t reach_bytes) {
  // Numbers end: there is no frame 0, and none behind the last.
  if (sequence == 0 || sequence == UINT64_MAX) return std::nullopt;
  format::frame_pattern later;
  later.sequence_min = sequence + 1;
  // Frames are numbered without gaps and take 32 bytes at least. The scan is the faster for it.
  const std::uint64_t others = reach_bytes / format::frame_header_bytes;
  later.sequence_max = later.sequence_min + std::min(others, UINT64_MAX - later.sequence_min);
  later.watermark_min = sequence;
  return format::frame_scanner(bytes, seed).next(0, later);
}

}  // namespace nori::engine

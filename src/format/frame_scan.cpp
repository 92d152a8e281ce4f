#include "format/frame_scan.hpp"

#include <cstring>

#include "format/crc32c.hpp"

namespace nori::format {
namespace {

constexpr std::size_t prefix_step_bytes = 512;
constexpr std::size_t always_hashed_bytes_max = 2 * prefix_step_bytes;

}  // namespace

std::optional<std::size_t> frame_scanner::next(std::size_t from, const frame_pattern& pattern) {
  if (bytes_.size() < frame_header_bytes) return std::nullopt;
  const std::size_t last = bytes_.size() - frame_header_bytes;
  if (from > last) return std::nullopt;
  constexpr std::size_t mask = frame_alignment - 1;
  for (std::size_t at = (from + mask) & ~mask; at <= last; at += frame_alignment) {
    // Kind, flags and the reserved bytes turn down almost everything, zeros first of all.
    std::uint32_t tags;
    std::memcpy(&tags, bytes_.data() + at + 28, sizeof tags);
    if (tags - 1 >= 0x400) continue;

    const frame_header header = load_frame_header(bytes_.data() + at);
    if (!is_known(header) || !pattern.matches(header)) continue;
    const std::uint64_t needed = frame_bytes(header.length);
    if (header.length > body_bytes_highest || needed > bytes_.size() - at) continue;
    if (crc_holds(at, static_cast<std::size_t>(needed), header.crc)) return at;
  }
  return std::nullopt;
}

bool frame_scanner::crc_holds(std::size_t offset, std::size_t frame_size, std::uint32_t crc) {
  const std::size_t start = offset + 4;
  const std::size_t end = offset + frame_size;
  if (frame_size <= always_hashed_bytes_max || hashed_bytes_ + frame_size <= hash_budget_)
    return hash(seed_, start, end) == crc;
  // crc32c(seed, x) is shift(seed) ^ crc32c(0, x), and the prefix before x continues over x in the
  // same way.
  return (crc32c_shift(seed_ ^ prefix_crc(start), end - start) ^ prefix_crc(end)) == crc;
}

std::uint32_t frame_scanner::prefix_crc(std::size_t end) {
  if (prefixes_.empty()) {
    prefixes_.reserve(bytes_.size() / prefix_step_bytes + 1);
    prefixes_.push_back(0);
  }
  const std::size_t steps = end / prefix_step_bytes;
  while (prefixes_.size() <= steps) {
    const std::size_t done = (prefixes_.size() - 1) * prefix_step_bytes;
    prefixes_.push_back(hash(prefixes_.back(), done, done + prefix_step_bytes));
  }
  return hash(prefixes_[steps], steps * prefix_step_bytes, end);
}

std::uint32_t frame_scanner::hash(std::uint32_t crc, std::size_t from, std::size_t to) noexcept {
  hashed_bytes_ += to - from;
  return crc32c(crc, bytes_.data() + from, to - from);
}

std::optional<std::size_t> find_frame(std::span<const std::byte> bytes, std::size_t from,
                                      std::uint32_t seed, std::uint64_t minimum_sequence) {
  frame_pattern pattern;
  pattern.sequence_min = minimum_sequence;
  const std::uint64_t later = bytes.size() / frame_header_bytes;
  if (minimum_sequence <= UINT64_MAX - later) pattern.sequence_max = minimum_sequence + later;
  return frame_scanner(bytes, seed).next(from, pattern);
}

}  // namespace nori::format

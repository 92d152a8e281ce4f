#include "format/frame.hpp"

#include <bit>
#include <cstring>

#include "format/crc32c.hpp"

namespace nori::format {
namespace {

static_assert(std::endian::native == std::endian::little,
              "integers are copied to and from disk as they lie in memory");
static_assert(sizeof(log_id) == 16);

constexpr std::uint8_t bit(frame_flag flag) noexcept { return static_cast<std::uint8_t>(flag); }

}  // namespace

std::uint32_t segment_seed(const log_id& log, std::uint64_t segment_id) noexcept {
  return crc32c(crc32c(0, log.data(), log.size()), &segment_id, sizeof segment_id);
}

std::uint32_t seal_frame(std::byte* at, const frame_header& header, std::uint32_t seed) noexcept {
  const auto bytes = static_cast<std::size_t>(frame_bytes(header.length));
  const std::size_t used = frame_header_bytes + header.length;
  std::memset(at + used, 0, bytes - used);

  // Whole words, so that the crc's loads find their bytes in a single store each.
  const std::uint64_t words[3] = {
      header.sequence,
      header.previous_crc | std::uint64_t{header.durable_lag} << 32,
      header.epoch | std::uint64_t{static_cast<std::uint8_t>(header.kind)} << 32 |
          std::uint64_t{header.flags} << 40,
  };
  std::memcpy(at + 4, &header.length, 4);
  std::memcpy(at + 8, &words[0], 8);
  std::memcpy(at + 16, &words[1], 8);
  std::memcpy(at + 24, &words[2], 8);

  const std::uint32_t crc = crc32c(seed, at + 4, bytes - 4);
  std::memcpy(at, &crc, 4);
  return crc;
}

bool is_known(const frame_header& header) noexcept {
  if (header.sequence == 0) return false;
  switch (header.kind) {
    case frame_kind::record:
    case frame_kind::filler:
      return (header.flags & ~bit(frame_flag::batch_continues)) == 0;
    case frame_kind::marker:
      return (header.flags & ~bit(frame_flag::closed)) == 0 && header.length == 0;
    case frame_kind::epoch:
      return header.flags == 0 && header.length == 0;
  }
  return false;
}

frame_check check_frame(std::span<const std::byte> bytes, std::uint32_t seed,
                        std::uint64_t frame_bytes_limit) noexcept {
  if (bytes.size() < frame_header_bytes) {
    if (frame_bytes_limit < frame_header_bytes) return {frame_verdict::bad_length, {}, 0};
    return {frame_verdict::incomplete, {}, frame_header_bytes};
  }
  const std::byte* const at = bytes.data();
  const frame_header header = load_frame_header(at);
  const std::uint64_t last_word = detail::load_word(at + 24);
  if ((detail::load_word(at) | detail::load_word(at + 8) | detail::load_word(at + 16) |
       last_word) == 0)
    return {frame_verdict::zero, header, 0};

  const std::uint64_t needed = frame_bytes(header.length);
  if (header.length > body_bytes_highest || needed > frame_bytes_limit)
    return {frame_verdict::bad_length, header, 0};
  if (needed > bytes.size()) return {frame_verdict::incomplete, header, needed};
  if (crc32c(seed, at + 4, static_cast<std::size_t>(needed - 4)) != header.crc)
    return {frame_verdict::bad_crc, header, 0};

  // The crc holds, so these bytes are what a writer of this segment meant.
  if ((last_word >> 48) != 0 || !is_known(header)) return {frame_verdict::bad_header, header, 0};
  return {frame_verdict::valid, header, 0};
}

}  // namespace nori::format

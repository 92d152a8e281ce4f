// Frames in bytes of which nothing is known: 4 bytes of seed, 8 of the first sequence looked for,
// 1 of how far the watermark lies below it, then the bytes.

#include <cstdint>
#include <optional>
#include <vector>

#include "format/crc32c.hpp"
#include "format/frame.hpp"
#include "format/frame_scan.hpp"
#include "fuzz/fuzz.hpp"

using namespace nori::format;
using namespace nori::fuzz;

namespace {

constexpr std::size_t fields_bytes = 13;

void check_one(std::span<const std::byte> bytes, std::uint32_t seed) {
  const frame_check check = check_frame(bytes, seed, bytes.size() + 64);
  if (check.verdict == frame_verdict::incomplete) {
    require(check.needed_bytes > bytes.size() && check.needed_bytes <= bytes.size() + 64,
            "what is asked for lies within the limit");
  }
  if (check.verdict != frame_verdict::valid) return;
  const auto used = static_cast<std::size_t>(frame_bytes(check.header.length));
  require(used <= bytes.size() && is_known(check.header), "a valid frame is whole and known");
  std::vector<std::byte> again(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
  const std::uint32_t crc = seal_frame(again.data(), check.header, seed);
  // The padding is under the crc, but whoever reads does not ask that it is zero.
  const std::size_t meant = frame_header_bytes + check.header.length;
  const bool padded = std::any_of(bytes.begin() + static_cast<std::ptrdiff_t>(meant),
                                  bytes.begin() + static_cast<std::ptrdiff_t>(used),
                                  [](std::byte b) { return b != std::byte{0}; });
  require(
      padded || (crc == check.header.crc && std::equal(again.begin(), again.end(), bytes.begin())),
      "a frame has one spelling");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  front input(bytes_of(data, size));
  const auto seed = input.take<std::uint32_t>();
  frame_pattern pattern;
  pattern.sequence_min = input.take<std::uint64_t>();
  const auto lag = input.take<std::uint8_t>();
  pattern.watermark_min = pattern.sequence_min > lag ? pattern.sequence_min - lag : 0;
  const std::span<const std::byte> bytes = input.rest();

  check_one(bytes, seed);
  const allocation_bound few(4096 + bytes.size());
  frame_scanner scanner(bytes, seed);
  std::size_t from = 0;
  std::size_t expected = 0;
  while (const std::optional<std::size_t> at = scanner.next(from, pattern)) {
    require(*at >= from && *at % frame_alignment == 0, "a scan goes forwards");
    const frame_check found = check_frame(bytes.subspan(*at), seed, bytes.size() - *at);
    require(found.verdict == frame_verdict::valid ||
                // Reserved bytes lie outside what a scan looks at.
                found.verdict == frame_verdict::bad_header,
            "what a scan finds is a frame");
    require(pattern.matches(found.header), "what a scan finds is what it looked for");
    // It misses none in between.
    for (; expected < *at; expected += frame_alignment) {
      const frame_check missed =
          check_frame(bytes.subspan(expected), seed, bytes.size() - expected);
      require(missed.verdict != frame_verdict::valid || !pattern.matches(missed.header),
              "a scan misses no frame");
    }
    from = *at + frame_alignment;
    expected = from;
  }
  require(scanner.hashed_bytes() <= 4 * bytes.size() + (bytes.size() / 8 + 1) * 1024,
          "a scan takes linear time");
  return 0;
}

// Seals what lies at multiples of 8 and has a length that fits, so that mutated frames get as far
// as sound ones.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned random) {
  size = LLVMFuzzerMutate(data, size, size_max);
  if (random % 4 == 0 || size < fields_bytes) return size;
  std::uint32_t seed = 0;
  std::memcpy(&seed, data, sizeof seed);
  std::byte* const bytes = reinterpret_cast<std::byte*>(data) + fields_bytes;
  const std::size_t count = size - fields_bytes;
  for (std::size_t at = 0; at + frame_header_bytes <= count;) {
    frame_header header = load_frame_header(bytes + at);
    const std::uint64_t needed = frame_bytes(header.length);
    if (header.length == 0 || needed > count - at) {
      header.length = static_cast<std::uint32_t>(
          std::min<std::size_t>(header.length % 64, count - at - frame_header_bytes));
      if (frame_bytes(header.length) > count - at) break;
    }
    seal_frame(bytes + at, header, seed);
    at += static_cast<std::size_t>(frame_bytes(header.length));
  }
  return size;
}

// The header of a segment (two blocks), and the file that names a log (one block). The mutator
// mends their crcs.

#include <cstdint>
#include <vector>

#include "format/crc32c.hpp"
#include "format/segment_header.hpp"
#include "fuzz/fuzz.hpp"

using namespace nori::format;
using namespace nori::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = bytes_of(data, size);
  const allocation_bound none(2 * segment_header_bytes);
  const header_check head = check_segment_header(bytes);
  if (head.verdict == header_verdict::valid) {
    std::vector<std::byte> again(segment_header_bytes);
    store_segment_header(again.data(), head.header);
    const bool first = std::memcmp(again.data(), data, block_bytes) == 0;
    const bool second = std::memcmp(again.data(), data + block_bytes, block_bytes) == 0;
    require(first || second, "a header has one spelling");
    require(head.copy_damaged == !(first && second), "a copy that differs is reported");
    require(head.header.segment_id != 0 && head.header.first_sequence != 0, "ids begin with 1");
  }
  const identity_check identity = check_log_identity(bytes);
  if (identity.verdict == header_verdict::valid) {
    std::vector<std::byte> again(log_identity_bytes);
    store_log_identity(again.data(), identity.identity);
    require(std::memcmp(again.data(), data, again.size()) == 0, "an identity has one spelling");
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned random) {
  size = LLVMFuzzerMutate(data, size, size_max);
  for (std::size_t block = 0; block + block_bytes <= size; block += block_bytes) {
    if (random % 4 == 0) break;
    // Hardly any mutation hits the 120 bytes that matter, else.
    if (random % 2 == 0) std::memset(data + block + 120, 0, block_bytes - 120);
    const std::uint32_t crc = crc32c(0, data + block, block_bytes - 4);
    std::memcpy(data + block + block_bytes - 4, &crc, sizeof crc);
  }
  return size;
}

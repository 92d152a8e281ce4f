// A file that keeps something derived (a checkpoint, a projection): the input is the file without
// the zeros that fill up its last block.

#include <cstdint>
#include <vector>

#include "format/crc32c.hpp"
#include "fuzz/fuzz.hpp"
#include "store/derived_files.hpp"

using namespace nori::store;
using namespace nori::fuzz;

namespace {

constexpr nori::format::log_id of_log{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr std::string_view name = "checkpoint-reader";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t block = nori::format::block_bytes;
  std::vector<std::byte> file((size + block - 1) / block * block);
  if (size != 0) std::memcpy(file.data(), data, size);
  derived_check check;
  {
    const allocation_bound none(0);
    check = check_derived(file, of_log, name);
    (void)check_derived(file, of_log, "checkpoint-other");
  }
  if (check.verdict != derived_verdict::valid) return 0;
  std::vector<std::byte> again(derived_file_bytes(name.size(), check.content.size()));
  require(again.size() == file.size(), "all of the file belongs to it");
  store_derived(again.data(), of_log, name, check.header, check.content);
  // What fills up the last block is under the crc, and nobody looks at it.
  require(std::equal(again.begin(), again.begin() + 60, file.begin()) &&
              check.content.size() <= file.size(),
          "a derived file has one spelling");
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned random) {
  size = LLVMFuzzerMutate(data, size, size_max);
  if (random % 4 == 0 || size < derived_header_bytes) return size;
  constexpr std::size_t block = nori::format::block_bytes;
  std::vector<std::byte> file((size + block - 1) / block * block);
  std::memcpy(file.data(), data, size);
  const std::uint32_t before = nori::format::crc32c(0, file.data(), 60);
  const std::uint32_t crc = nori::format::crc32c(before, file.data() + derived_header_bytes,
                                                 file.size() - derived_header_bytes);
  std::memcpy(data + 60, &crc, sizeof crc);
  return size;
}

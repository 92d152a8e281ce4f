// A snapshot file: a byte for the length of the stream's name, the name, the file.

#include <cstdint>
#include <vector>

#include "format/crc32c.hpp"
#include "fuzz/fuzz.hpp"
#include "store/snapshot_format.hpp"

using namespace nori;
using namespace nori::store;
using namespace nori::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size - 1 < data[0]) return 0;
  const std::string_view stream = text_of(data + 1, data[0]);
  const std::span<const std::byte> file = bytes_of(data, size).subspan(1 + stream.size());
  const allocation_bound few(4096 + 4 * size);
  const auto outline = outline_of(file, stream);
  ignored_snapshot why;
  const std::optional<snapshot> found = load_snapshot(file, stream, why);
  if (!found) {
    require(!why.text.empty(), "it is said why a snapshot is ignored");
    return 0;
  }
  require(outline && outline->revision == found->revision &&
              outline->schema_version == found->schema_version,
          "the outline says what the whole says");
  require(snapshot_bytes(*found) == file.size(), "all of the file belongs to it");
  std::vector<std::byte> again(file.size());
  store_snapshot(again.data(), *found);
  require(std::equal(again.begin(), again.end(), file.begin()), "a snapshot has one spelling");
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned random) {
  size = LLVMFuzzerMutate(data, size, size_max);
  if (random % 4 == 0 || size == 0) return size;
  const std::size_t begin = std::size_t{1} + data[0];
  if (size < begin + snapshot_header_bytes) return size;
  if (random % 4 == 1) {
    // The lengths fit, too.
    const std::uint32_t name_bytes = data[0];
    const std::uint64_t rest = size - begin - snapshot_header_bytes;
    const std::uint64_t data_bytes = rest - std::min<std::uint64_t>(rest, name_bytes);
    std::memcpy(data + begin + 20, &name_bytes, sizeof name_bytes);
    std::memcpy(data + begin + 64, &data_bytes, sizeof data_bytes);
  }
  const std::uint32_t crc = format::crc32c(0, data + begin + 12, size - begin - 12);
  std::memcpy(data + begin + 8, &crc, sizeof crc);
  return size;
}

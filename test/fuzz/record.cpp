// The body of a record: a byte for the limit, then the body.

#include <cstdint>
#include <string_view>
#include <vector>

#include "format/record_codec.hpp"
#include "fuzz/fuzz.hpp"

using namespace nori;
using namespace nori::format;
using namespace nori::fuzz;

namespace {

// What was decoded, encoded again without compressing anything.
std::vector<std::byte> encoded(const decoded_record& from, std::size_t body_bytes) {
  prepared_record again;
  again.what.key = from.key;
  // Only its size matters where the value is stored compressed.
  const std::vector<char> value(from.stored_compressed ? from.value_bytes : 0);
  again.what.value =
      from.stored_compressed ? std::string_view(value.data(), value.size()) : from.stored_value;
  again.what.tombstone = from.tombstone;
  again.what.compress = from.compress;
  if (from.has_time_to_live) {
    again.what.time_to_live =
        std::chrono::milliseconds(static_cast<std::int64_t>(from.time_to_live_ms));
  }
  if (from.has_version) again.what.version = from.version;
  again.stored_value = from.stored_value;
  again.stored_compressed = from.stored_compressed;
  again.appended_ms = from.appended_ms;
  std::vector<std::byte> bytes(body_bytes);
  encode_record(bytes.data(), again);
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  front input(bytes_of(data, size));
  // Decompression bombs stay small: a limit bounds them, not the input.
  const std::uint64_t limit = std::uint64_t{1} << (input.take<std::uint8_t>() % 17);
  const std::span<const std::byte> body = input.rest();

  decoded_record record;
  decode_verdict verdict{};
  std::string_view plain_key;
  std::string_view plain_value;
  bool plain = false;
  {
    const allocation_bound none(0);
    verdict = decode_record(body, limit, record);
    plain = decode_plain_record(body, limit, plain_key, plain_value);
  }
  if (plain) {
    require(verdict == decode_verdict::valid && record.key == plain_key &&
                record.stored_value == plain_value && record.value_bytes == plain_value.size(),
            "the short way decodes what the long way does");
  }
  if (verdict != decode_verdict::valid) return 0;
  require(record.key.size() + record.value_bytes <= limit, "a record keeps within the limit");
  const std::vector<std::byte> again = encoded(record, body.size());
  require(std::equal(again.begin(), again.end(), body.begin(), body.end()),
          "a record has one spelling");

  std::vector<std::byte> value(record.value_bytes);
  // zstd keeps a context for each thread, which it takes from malloc.
  (void)decompress_value(record, value);
  if (!value.empty()) {
    const std::span<std::byte> short_by_one = std::span(value).first(value.size() - 1);
    require(decompress_value(record, short_by_one) == decode_verdict::bad_compression,
            "what has no room is not decompressed");
  }
  return 0;
}

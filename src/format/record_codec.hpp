#ifndef NORI_FORMAT_RECORD_CODEC_HPP
#define NORI_FORMAT_RECORD_CODEC_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nori/record.hpp>

namespace nori::format {

//  The body of a record frame:
//
//    body       := attributes varint(key length) varint(value length) [stored] [ttl] [version]
//                  key value
//    attributes := one byte: bit 0 tombstone, bit 1 ttl present, bits 2 and 3 compression asked for
//                  (0 none, 1 LZ4, 2 zstd), bit 4 version present, bit 5 value is stored
//                  compressed, bits 6 and 7 zero
//    stored     := varint(stored length)            only with bit 5; less than the value length
//    ttl        := varint(ttl, ms) 8 bytes: time of the append, ms since 1970, UTC, little endian;
//                  both less than 2^63
//    version    := varint(term) varint(index)
//    key value  := bytes; the value compressed (an LZ4 block, a zstd frame) with bit 5
//
//  Varints are LEB128, at most 10 bytes, in their shortest form. The body ends with the value.
//  FORMAT.md is the specification.

/// A record ready to be encoded: sizes known, value compressed where that shrinks it.
struct prepared_record {
  record_view what;
  std::string_view stored_value;  ///< of `what`, or of the compression buffer
  bool stored_compressed = false;
  std::uint64_t appended_ms = 0;  ///< ms since 1970; only used with time_to_live
  std::uint32_t body_bytes = 0;
};

/// Fills in everything. A value that asks for compression is compressed into `buffer` (grown as
/// needed, reused between calls); where that would not shrink it, it is left as it is.
/// The caller has checked that key and value are within limits and time_to_live is not negative.
[[nodiscard]] prepared_record prepare_record(const record_view& what, std::uint64_t appended_ms,
                                             std::vector<std::byte>& buffer);

/// Writes prepared.body_bytes bytes at `at`.
void encode_record(std::byte* at, const prepared_record& prepared) noexcept;

enum class decode_verdict : std::uint8_t {
  valid,
  malformed,          ///< not of the grammar above
  unknown_attribute,  ///< a reserved attribute bit or compression kind is set
  too_large,          ///< key and decompressed value would exceed record_bytes_limit together
  bad_compression,    ///< the compressed value does not decompress to the stated length
};

/// A decoded body. key and stored_value point into the body.
struct decoded_record {
  std::string_view key;
  std::string_view stored_value;
  std::uint64_t value_bytes = 0;  ///< after decompression
  std::uint64_t appended_ms = 0;
  std::uint64_t time_to_live_ms = 0;
  record_version version;
  compression compress = compression::none;
  bool stored_compressed = false;
  bool tombstone = false;
  bool has_time_to_live = false;
  bool has_version = false;
};

/// Reads a body; allocates nothing, trusts nothing. `record_bytes_limit` bounds key and
/// decompressed value together.
[[nodiscard]] decode_verdict decode_record(std::span<const std::byte> body,
                                           std::uint64_t record_bytes_limit,
                                           decoded_record& to) noexcept;

/// decode_record for the most common body: no attributes, and lengths below 2 to the 14. False says
/// nothing about any other body.
[[nodiscard]] inline bool decode_plain_record(std::span<const std::byte> body,
                                              std::uint64_t record_bytes_limit,
                                              std::string_view& key,
                                              std::string_view& value) noexcept {
  if (body.size() < 5 || body[0] != std::byte{0}) return false;
  const auto* const bytes = reinterpret_cast<const unsigned char*>(body.data());
  std::size_t at = 1;
  // One byte, or two in their shortest form.
  const auto length = [&](std::size_t& to) {
    to = bytes[at++];
    if (to < 0x80) return true;
    const unsigned char high = bytes[at++];
    to = (to & 0x7f) | std::size_t{high} << 7;
    return high != 0 && high < 0x80;
  };
  std::size_t key_bytes = 0;
  std::size_t value_bytes = 0;
  if (!length(key_bytes) || !length(value_bytes)) return false;
  if (key_bytes + value_bytes != body.size() - at) return false;
  if (key_bytes + value_bytes > record_bytes_limit) return false;
  const char* const text = reinterpret_cast<const char*>(body.data()) + at;
  key = {text, key_bytes};
  value = {text + key_bytes, value_bytes};
  return true;
}

/// Decompresses decoded.stored_value into `to`, which has room for decoded.value_bytes.
/// @throws std::bad_alloc the first time a thread meets zstd, when its context can't be allocated:
///   a verdict would take the want of memory for damage.
[[nodiscard]] decode_verdict decompress_value(const decoded_record& decoded,
                                              std::span<std::byte> to);

}  // namespace nori::format

#endif

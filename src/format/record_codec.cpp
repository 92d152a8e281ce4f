#include "format/record_codec.hpp"

#include <cstring>
#include <memory>
#include <new>

#include <lz4.h>
#include <zstd.h>

#include <nori/config.hpp>

#include "format/frame.hpp"
#include "format/varint.hpp"

namespace nori::format {
namespace {

static_assert(std::endian::native == std::endian::little,
              "integers are copied to and from disk as they lie in memory");

constexpr std::uint8_t attribute_tombstone = 1u << 0;
constexpr std::uint8_t attribute_time_to_live = 1u << 1;
constexpr unsigned attribute_compression_shift = 2;
constexpr std::uint8_t attribute_compression = 3u << attribute_compression_shift;
constexpr std::uint8_t attribute_version = 1u << 4;
constexpr std::uint8_t attribute_stored_compressed = 1u << 5;
constexpr std::uint8_t attribute_reserved = 3u << 6;

// Values are small and compressed one by one: higher levels make them no smaller (16 KiB of JSON:
// 2250 bytes at level 1, 2307 at level 3), only slower.
constexpr int zstd_level = 1;

// Attributes, six varints and the time: the largest record fits into a body.
static_assert(record_bytes_highest + 1 + 6 * varint_bytes_max + 8 <= body_bytes_highest);

std::byte* put_bytes(std::byte* at, std::string_view bytes) noexcept {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

/// Takes values off the front of a body. Once it has failed, it stays failed.
class body_cursor {
 public:
  explicit body_cursor(std::span<const std::byte> body) noexcept
      : at_(body.data()), end_(body.data() + body.size()) {}

  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }

  [[nodiscard]] bool byte(std::uint8_t& to) noexcept {
    if (at_ == end_) return false;
    to = std::to_integer<std::uint8_t>(*at_++);
    return true;
  }

  [[nodiscard]] bool varint(std::uint64_t& to) noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return false;
      const auto next = std::to_integer<std::uint64_t>(*at_++);
      value |= (next & 127) << shift;
      if (next < 128) {
        // A last byte of zero is not the shortest form; the tenth byte has room for one bit.
        if ((next == 0 && shift != 0) || (shift == 63 && next > 1)) return false;
        to = value;
        return true;
      }
    }
    return false;
  }

  [[nodiscard]] bool word(std::uint64_t& to) noexcept {
    if (left() < sizeof to) return false;
    std::memcpy(&to, at_, sizeof to);
    at_ += sizeof to;
    return true;
  }

  /// The next `bytes` bytes; the caller has made sure that they are left.
  [[nodiscard]] std::string_view take(std::size_t bytes) noexcept {
    const auto* const start = reinterpret_cast<const char*>(at_);
    at_ += bytes;
    return {start, bytes};
  }

 private:
  const std::byte* at_;
  const std::byte* end_;
};

struct free_context {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
};

// One context per thread, kept: making one allocates, and an append must not once it is warm.
ZSTD_CCtx* compression_context() {
  thread_local const std::unique_ptr<ZSTD_CCtx, free_context> context{ZSTD_createCCtx()};
  if (!context) throw std::bad_alloc{};  // branch: takes a machine without memory
  return context.get();
}

ZSTD_DCtx* decompression_context() {
  thread_local const std::unique_ptr<ZSTD_DCtx, free_context> context{ZSTD_createDCtx()};
  if (!context) throw std::bad_alloc{};  // branch: takes a machine without memory
  return context.get();
}

/// The length of `value` compressed into `to`, or 0 when it does not fit there.
std::size_t compress_into(std::span<std::byte> to, std::string_view value, compression how) {
  auto* const target = reinterpret_cast<char*>(to.data());
  switch (how) {             // branch: every enumerator has a case
    case compression::none:  // branch: nobody asks for it
      return 0;
    case compression::lz4: {
      // branch: record_bytes_max is below it.
      if (value.size() > LZ4_MAX_INPUT_SIZE) return 0;
      const int bytes = LZ4_compress_default(value.data(), target, static_cast<int>(value.size()),
                                             static_cast<int>(to.size()));
      return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
    }
    case compression::zstd: {
      const std::size_t bytes = ZSTD_compressCCtx(compression_context(), target, to.size(),
                                                  value.data(), value.size(), zstd_level);
      return ZSTD_isError(bytes) != 0 ? 0 : bytes;
    }
  }
  return 0;
}

}  // namespace

prepared_record prepare_record(const record_view& what, std::uint64_t appended_ms,
                               std::vector<std::byte>& buffer) {
  prepared_record prepared;
  prepared.what = what;
  prepared.stored_value = what.value;
  prepared.appended_ms = appended_ms;

  if (what.compress != compression::none && what.value.size() > 1) {
    // A byte less than the value: what does not fit did not shrink.
    const std::size_t room = what.value.size() - 1;
    if (buffer.size() < room) buffer.resize(room);
    const std::size_t stored =
        compress_into(std::span(buffer).first(room), what.value, what.compress);
    if (stored != 0) {
      prepared.stored_compressed = true;
      prepared.stored_value = {reinterpret_cast<const char*>(buffer.data()), stored};
    }
  }

  std::size_t bytes = 1 + varint_bytes(what.key.size()) + varint_bytes(what.value.size());
  if (prepared.stored_compressed) bytes += varint_bytes(prepared.stored_value.size());
  if (what.time_to_live)
    bytes += varint_bytes(static_cast<std::uint64_t>(what.time_to_live->count())) + 8;
  if (what.version) bytes += varint_bytes(what.version->term) + varint_bytes(what.version->index);
  bytes += what.key.size() + prepared.stored_value.size();
  prepared.body_bytes = static_cast<std::uint32_t>(bytes);
  return prepared;
}

void encode_record(std::byte* at, const prepared_record& prepared) noexcept {
  const record_view& what = prepared.what;
  auto attributes = static_cast<std::uint8_t>(static_cast<unsigned>(what.compress)
                                              << attribute_compression_shift);
  if (what.tombstone) attributes |= attribute_tombstone;
  if (what.time_to_live) attributes |= attribute_time_to_live;
  if (what.version) attributes |= attribute_version;
  if (prepared.stored_compressed) attributes |= attribute_stored_compressed;

  *at++ = std::byte{attributes};
  at = put_varint(at, what.key.size());
  at = put_varint(at, what.value.size());
  if (prepared.stored_compressed) at = put_varint(at, prepared.stored_value.size());
  if (what.time_to_live) {
    at = put_varint(at, static_cast<std::uint64_t>(what.time_to_live->count()));
    std::memcpy(at, &prepared.appended_ms, 8);
    at += 8;
  }
  if (what.version) {
    at = put_varint(at, what.version->term);
    at = put_varint(at, what.version->index);
  }
  at = put_bytes(at, what.key);
  put_bytes(at, prepared.stored_value);
}

decode_verdict decode_record(std::span<const std::byte> body, std::uint64_t record_bytes_limit,
                             decoded_record& to) noexcept {
  body_cursor cursor{body};
  std::uint8_t attributes = 0;
  if (!cursor.byte(attributes)) return decode_verdict::malformed;

  const unsigned packing = (attributes & attribute_compression) >> attribute_compression_shift;
  if ((attributes & attribute_reserved) != 0 || packing > static_cast<unsigned>(compression::zstd))
    return decode_verdict::unknown_attribute;

  to = decoded_record{};
  to.compress = static_cast<compression>(packing);
  to.tombstone = (attributes & attribute_tombstone) != 0;
  to.has_time_to_live = (attributes & attribute_time_to_live) != 0;
  to.has_version = (attributes & attribute_version) != 0;
  to.stored_compressed = (attributes & attribute_stored_compressed) != 0;

  std::uint64_t key_bytes = 0;
  if (!cursor.varint(key_bytes) || !cursor.varint(to.value_bytes)) return decode_verdict::malformed;
  std::uint64_t stored_bytes = to.value_bytes;
  if (to.stored_compressed) {
    if (!cursor.varint(stored_bytes)) return decode_verdict::malformed;
    if (to.compress == compression::none || stored_bytes == 0 || stored_bytes >= to.value_bytes)
      return decode_verdict::malformed;
  }
  if (to.has_time_to_live) {
    if (!cursor.varint(to.time_to_live_ms) || !cursor.word(to.appended_ms))
      return decode_verdict::malformed;
    // Both have to fit into a std::chrono::milliseconds.
    if (to.time_to_live_ms > INT64_MAX || to.appended_ms > INT64_MAX)
      return decode_verdict::malformed;
  }
  if (to.has_version && (!cursor.varint(to.version.term) || !cursor.varint(to.version.index)))
    return decode_verdict::malformed;

  if (key_bytes > cursor.left() || stored_bytes != cursor.left() - key_bytes)
    return decode_verdict::malformed;
  if (key_bytes > record_bytes_limit || to.value_bytes > record_bytes_limit - key_bytes)
    return decode_verdict::too_large;
  to.key = cursor.take(static_cast<std::size_t>(key_bytes));
  to.stored_value = cursor.take(static_cast<std::size_t>(stored_bytes));
  return decode_verdict::valid;
}

decode_verdict decompress_value(const decoded_record& decoded, std::span<std::byte> to) {
  const std::string_view stored = decoded.stored_value;
  if (to.size() < decoded.value_bytes) return decode_verdict::bad_compression;
  if (!decoded.stored_compressed) {
    if (stored.size() != decoded.value_bytes) return decode_verdict::bad_compression;
    if (!stored.empty()) std::memcpy(to.data(), stored.data(), stored.size());
    return decode_verdict::valid;
  }

  const auto value_bytes = static_cast<std::size_t>(decoded.value_bytes);
  switch (decoded.compress) {  // branch: every enumerator has a case
    case compression::none:    // branch: decode_record refuses it
      break;
    case compression::lz4: {
      // branch: record_bytes_max is below it.
      if (value_bytes > LZ4_MAX_INPUT_SIZE || stored.size() > LZ4_MAX_INPUT_SIZE) break;
      const int bytes =
          LZ4_decompress_safe(stored.data(), reinterpret_cast<char*>(to.data()),
                              static_cast<int>(stored.size()), static_cast<int>(value_bytes));
      if (bytes < 0 || static_cast<std::size_t>(bytes) != value_bytes) break;
      return decode_verdict::valid;
    }
    case compression::zstd: {
      // One frame and nothing behind it, of the length that the record states.
      if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != value_bytes ||
          ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size())
        break;
      const std::size_t bytes = ZSTD_decompressDCtx(decompression_context(), to.data(), value_bytes,
                                                    stored.data(), stored.size());
      // branch: a frame that states its length never gives another.
      if (ZSTD_isError(bytes) != 0 || bytes != value_bytes) break;
      return decode_verdict::valid;
    }
  }
  return decode_verdict::bad_compression;
}

}  // namespace nori::format

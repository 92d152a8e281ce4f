#include "store/event_codec.hpp"

#include <algorithm>
#include <cstring>

#include "format/varint.hpp"

namespace nori::store {

namespace {

using format::put_varint;
using format::varint_bytes_max;

constexpr std::byte format_byte{1};

enum flag : std::uint8_t {
  has_correlation = 1,
  has_causation = 2,
  has_tags = 4,
  has_metadata = 8,
  has_version = 16,
  known_flags = 31,
};

// format, flags, two positions, time, three ids, lengths of type and metadata, version, tag count.
constexpr std::size_t fixed_bytes_max =
    2 + 2 * varint_bytes_max + 8 + 3 * 16 + 4 * varint_bytes_max;

std::byte* put_bytes(std::byte* to, const void* from, std::size_t bytes) noexcept {
  if (bytes != 0) std::memcpy(to, from, bytes);
  return to + bytes;
}

std::byte* put_string(std::byte* to, std::string_view text) noexcept {
  return put_bytes(put_varint(to, text.size()), text.data(), text.size());
}

// Reads from the front of what is left; after a failure everything fails.
class source {
 public:
  explicit source(std::string_view bytes) noexcept : left_(bytes) {}

  bool byte(std::uint8_t& to) noexcept {
    if (left_.empty()) return false;
    to = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return true;
  }
  bool varint(std::uint64_t& to) noexcept {
    to = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      std::uint8_t next = 0;
      if (!byte(next)) return false;
      if (shift == 63 && next > 1) return false;
      to |= std::uint64_t{next & 0x7fu} << shift;
      if (next < 0x80) return next != 0 || shift == 0;
    }
    return false;
  }
  bool bytes(void* to, std::size_t count) noexcept {
    if (left_.size() < count) return false;
    std::memcpy(to, left_.data(), count);
    left_.remove_prefix(count);
    return true;
  }
  bool string(std::string_view& to) noexcept {
    std::uint64_t length = 0;
    if (!varint(length) || length > left_.size()) return false;
    to = left_.substr(0, length);
    left_.remove_prefix(length);
    return true;
  }
  [[nodiscard]] std::string_view rest() const noexcept { return left_; }

 private:
  std::string_view left_;
};

}  // namespace

std::size_t encoded_event_bytes_max(const event_view& what) noexcept {
  std::size_t bytes = fixed_bytes_max + what.type.size() + what.metadata.size() + what.data.size();
  for (const std::string_view tag : what.tags) bytes += varint_bytes_max + tag.size();
  return bytes;
}

std::size_t encode_event(std::byte* to, const event_view& what,
                         std::span<const std::string_view> tags,
                         const event_place& place) noexcept {
  std::byte* at = to;
  *at++ = format_byte;
  std::uint8_t flags = 0;
  if (!what.correlation_id.is_nil()) flags |= has_correlation;
  if (!what.causation_id.is_nil()) flags |= has_causation;
  if (!tags.empty()) flags |= has_tags;
  if (!what.metadata.empty()) flags |= has_metadata;
  if (what.version != 1) flags |= has_version;
  *at++ = static_cast<std::byte>(flags);
  at = put_varint(at, place.global_position);
  at = put_varint(at, place.revision);
  const std::int64_t time = place.recorded_at.time_since_epoch().count();
  at = put_bytes(at, &time, sizeof(time));
  at = put_bytes(at, place.id.data, sizeof(place.id.data));
  if ((flags & has_correlation) != 0) at = put_bytes(at, what.correlation_id.data, 16);
  if ((flags & has_causation) != 0) at = put_bytes(at, what.causation_id.data, 16);
  at = put_string(at, what.type);
  if ((flags & has_version) != 0) at = put_varint(at, what.version);
  if ((flags & has_tags) != 0) {
    at = put_varint(at, tags.size());
    for (const std::string_view tag : tags) at = put_string(at, tag);
  }
  if ((flags & has_metadata) != 0) at = put_string(at, what.metadata);
  at = put_bytes(at, what.data.data(), what.data.size());
  return static_cast<std::size_t>(at - to);
}

bool decode_event(std::string_view value, std::vector<std::string_view>& tags, decoded_event& to) {
  source from(value);
  std::uint8_t format = 0;
  std::uint8_t flags = 0;
  if (!from.byte(format) || std::byte{format} != format_byte) return false;
  if (!from.byte(flags) || (flags & ~known_flags) != 0) return false;
  recorded_event& event = to.event;
  if (!from.varint(event.global_position) || !from.varint(event.revision)) return false;
  std::int64_t time = 0;
  if (!from.bytes(&time, sizeof(time))) return false;
  event.recorded_at = event_time(std::chrono::nanoseconds(time));
  if (!from.bytes(event.id.data, 16)) return false;
  event.correlation_id = {};
  event.causation_id = {};
  // A nil one is not spelled out.
  if ((flags & has_correlation) != 0 &&
      (!from.bytes(event.correlation_id.data, 16) || event.correlation_id.is_nil())) {
    return false;
  }
  if ((flags & has_causation) != 0 &&
      (!from.bytes(event.causation_id.data, 16) || event.causation_id.is_nil())) {
    return false;
  }
  if (!from.string(event.type)) return false;
  event.version = 1;
  if ((flags & has_version) != 0) {
    std::uint64_t version = 0;
    if (!from.varint(version) || version > UINT32_MAX || version == 1) return false;
    event.version = static_cast<std::uint32_t>(version);
  }
  to.first_tag = tags.size();
  to.tag_count = 0;
  if ((flags & has_tags) != 0) {
    std::uint64_t count = 0;
    if (!from.varint(count) || count == 0 || count > tags_max) return false;
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string_view tag;
      if (!from.string(tag)) return false;
      if (i != 0 && !(tags.back() < tag)) return false;
      tags.push_back(tag);
    }
    to.tag_count = count;
  }
  event.metadata = {};
  if ((flags & has_metadata) != 0 && (!from.string(event.metadata) || event.metadata.empty())) {
    return false;
  }
  event.data = from.rest();
  return true;
}

}  // namespace nori::store

#include "store/snapshot_format.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstring>

#include "format/crc32c.hpp"

namespace nori::store {

namespace {

constexpr std::string_view snapshot_magic = "norisnap";
constexpr std::uint32_t format_version = 1;

// Where the fields begin; SNAPSHOT.md draws them.
constexpr std::size_t at_crc = 8;
constexpr std::size_t at_format = 12;
constexpr std::size_t at_schema = 16;
constexpr std::size_t at_name_bytes = 20;
constexpr std::size_t at_revision = 24;
constexpr std::size_t at_global = 32;
constexpr std::size_t at_event_id = 40;
constexpr std::size_t at_recorded = 56;
constexpr std::size_t at_data_bytes = 64;
static_assert(at_data_bytes + 8 == snapshot_header_bytes);

template <std::unsigned_integral T>
void put(std::byte* at, T value) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}

template <std::unsigned_integral T>
T get(const std::byte* at) noexcept {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) {
    value = static_cast<T>(static_cast<T>(value << 8) | std::to_integer<T>(at[i]));
  }
  return value;
}

std::string_view text_at(std::span<const std::byte> file, std::size_t from, std::size_t bytes) {
  return {reinterpret_cast<const char*>(file.data()) + from, bytes};
}

}  // namespace

std::string snapshot_file_name(std::string_view stream, std::size_t slot) {
  // Made for this purpose; what it is does not matter, as long as it stays.
  constexpr uuid space{{0x6e, 0x6f, 0x72, 0x69, 0x73, 0x6e, 0x41, 0x70, 0x80, 0x73, 0x74, 0x72,
                        0x65, 0x61, 0x6d, 0x73}};
  const boost::uuids::name_generator_sha1 hash(space);
  return boost::uuids::to_string(hash(stream.data(), stream.size())) + '.' + std::to_string(slot);
}

std::uint64_t snapshot_bytes(const snapshot& what) noexcept {
  return snapshot_header_bytes + std::uint64_t{what.stream.size()} + what.data.size();
}

void store_snapshot(std::byte* to, const snapshot& what) noexcept {
  std::memcpy(to, snapshot_magic.data(), snapshot_magic.size());
  put(to + at_format, format_version);
  put(to + at_schema, what.schema_version);
  put(to + at_name_bytes, static_cast<std::uint32_t>(what.stream.size()));
  put(to + at_revision, what.revision);
  put(to + at_global, what.global_position);
  std::memcpy(to + at_event_id, what.event_id.data, sizeof what.event_id.data);
  put(to + at_recorded, static_cast<std::uint64_t>(what.recorded_at.time_since_epoch().count()));
  put(to + at_data_bytes, std::uint64_t{what.data.size()});
  std::byte* const name = to + snapshot_header_bytes;
  std::copy_n(reinterpret_cast<const std::byte*>(what.stream.data()), what.stream.size(), name);
  std::copy_n(reinterpret_cast<const std::byte*>(what.data.data()), what.data.size(),
              name + what.stream.size());
  put(to + at_crc, format::crc32c(0, to + at_format,
                                  static_cast<std::size_t>(snapshot_bytes(what)) - at_format));
}

std::optional<snapshot_outline> outline_of(std::span<const std::byte> beginning,
                                           std::string_view stream) noexcept {
  if (beginning.size() < snapshot_header_bytes + stream.size()) return std::nullopt;
  const std::byte* const at = beginning.data();
  if (text_at(beginning, 0, snapshot_magic.size()) != snapshot_magic ||
      get<std::uint32_t>(at + at_format) != format_version ||
      get<std::uint32_t>(at + at_name_bytes) != stream.size() ||
      text_at(beginning, snapshot_header_bytes, stream.size()) != stream) {
    return std::nullopt;
  }
  return snapshot_outline{get<std::uint32_t>(at + at_schema), get<std::uint64_t>(at + at_revision)};
}

std::optional<snapshot> load_snapshot(std::span<const std::byte> file, std::string_view stream,
                                      ignored_snapshot& why_not) {
  using reason = ignored_snapshot::reason;
  const auto refuse = [&](reason why, const char* text) {
    why_not.why = why;
    why_not.text = text;
    return std::nullopt;
  };
  if (file.size() < snapshot_header_bytes ||
      text_at(file, 0, snapshot_magic.size()) != snapshot_magic) {
    return refuse(reason::damaged, "it does not begin like a snapshot");
  }
  const std::byte* const at = file.data();
  // Before the version is believed: a damaged one is not a later one.
  if (get<std::uint32_t>(at + at_crc) !=
      format::crc32c(0, at + at_format, file.size() - at_format)) {
    return refuse(reason::damaged, "its checksum does not match");
  }
  if (get<std::uint32_t>(at + at_format) != format_version) {
    return refuse(reason::unsupported, "it is of a later format");
  }
  const std::uint64_t rest = file.size() - snapshot_header_bytes;
  const std::uint64_t name_bytes = get<std::uint32_t>(at + at_name_bytes);
  if (name_bytes > rest || get<std::uint64_t>(at + at_data_bytes) != rest - name_bytes) {
    return refuse(reason::damaged, "its lengths are not those of the file");
  }
  if (text_at(file, snapshot_header_bytes, name_bytes) != stream) {
    return refuse(reason::other_stream, "it is of a stream whose name has the same hash");
  }
  snapshot made;
  made.stream = stream;
  made.revision = get<std::uint64_t>(at + at_revision);
  made.global_position = get<std::uint64_t>(at + at_global);
  std::memcpy(made.event_id.data, at + at_event_id, sizeof made.event_id.data);
  made.schema_version = get<std::uint32_t>(at + at_schema);
  made.recorded_at = event_time(
      std::chrono::nanoseconds(static_cast<std::int64_t>(get<std::uint64_t>(at + at_recorded))));
  made.data = text_at(file, snapshot_header_bytes + name_bytes, rest - name_bytes);
  return made;
}

}  // namespace nori::store

#ifndef NORI_STORE_SNAPSHOT_FORMAT_HPP
#define NORI_STORE_SNAPSHOT_FORMAT_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nori/store/snapshots.hpp>

namespace nori::store {

// SNAPSHOT.md has the format.

inline constexpr std::size_t snapshot_header_bytes = 72;
inline constexpr std::size_t snapshot_slots_max = 8;

/// The file of a stream's slot.
[[nodiscard]] std::string snapshot_file_name(std::string_view stream, std::size_t slot);

/// Size of its file.
[[nodiscard]] std::uint64_t snapshot_bytes(const snapshot& what) noexcept;
/// Writes snapshot_bytes(what) bytes.
void store_snapshot(std::byte* to, const snapshot& what) noexcept;

/// What the beginning of a file says of it. Nothing of it is to be trusted before the whole is
/// verified.
struct snapshot_outline {
  std::uint32_t schema_version = 0;
  std::uint64_t revision = 0;
};
/// None: these can't be the first bytes of a snapshot of this stream.
[[nodiscard]] std::optional<snapshot_outline> outline_of(std::span<const std::byte> beginning,
                                                         std::string_view stream) noexcept;

/// The snapshot in the bytes of a whole file, if it is valid and of this stream.
[[nodiscard]] std::optional<snapshot> load_snapshot(std::span<const std::byte> file,
                                                    std::string_view stream,
                                                    ignored_snapshot& why_not);

}  // namespace nori::store

#endif

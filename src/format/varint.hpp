#ifndef NORI_FORMAT_VARINT_HPP
#define NORI_FORMAT_VARINT_HPP

#include <bit>
#include <cstddef>
#include <cstdint>

namespace nori::format {

/// Seven bits a byte, the lowest first; all but the last have the highest bit set (FORMAT.md).
inline constexpr std::size_t varint_bytes_max = 10;

[[nodiscard]] constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}
static_assert(varint_bytes(0) == 1 && varint_bytes(127) == 1 && varint_bytes(128) == 2);
static_assert(varint_bytes(UINT64_MAX) == varint_bytes_max);

/// Returns behind it.
[[nodiscard]] constexpr std::byte* put_varint(std::byte* at, std::uint64_t value) noexcept {
  for (; value >= 128; value >>= 7) *at++ = static_cast<std::byte>(value | 128);
  *at++ = static_cast<std::byte>(value);
  return at;
}

}  // namespace nori::format

#endif

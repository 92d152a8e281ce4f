#ifndef NORI_FORMAT_CRC32C_HPP
#define NORI_FORMAT_CRC32C_HPP

#include <cstddef>
#include <cstdint>

namespace nori::format {

/// CRC-32C (Castagnoli, reflected, polynomial 0x82f63b78; RFC 3720 appendix B.4) of `bytes` bytes
/// at `data`, continuing `crc`, the result for the bytes before (0 for none).
/// crc32c(crc32c(0, a), b) equals crc32c(0, ab).
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t bytes) noexcept;

/// The same by table look-ups, on every machine. The tests hold the two against each other.
[[nodiscard]] std::uint32_t crc32c_portable(std::uint32_t crc, const void* data,
                                            std::size_t bytes) noexcept;

/// What `crc` contributes to the result of continuing it over `bytes` bytes, whatever they are:
/// crc32c(crc, data, bytes) equals crc32c_shift(crc, bytes) ^ crc32c(0, data, bytes).
/// Takes time logarithmic in `bytes`.
[[nodiscard]] std::uint32_t crc32c_shift(std::uint32_t crc, std::uint64_t bytes) noexcept;

}  // namespace nori::format

#endif

#ifndef NORI_CLI_FOREIGN_LOG_HPP
#define NORI_CLI_FOREIGN_LOG_HPP

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nori/record.hpp>

namespace nori::cli {

/// Records of a file of the Rust crate nori-wal, one after the other.
///
///     record := varint(key length) varint(value length) flags
///               [varint ttl_ms] [varint term varint index] key value crc
///     flags  := bit 0 tombstone, bit 1 ttl, bits 2 and 3 compression (0 none, 1 LZ4, 2 zstd),
///               bit 4 version; others zero
///     crc    := CRC-32C of all bytes before, little endian
///
/// A file has no header, and may end with zeros. An LZ4 value is the varint of its original length
/// and a block; a zstd value is a frame.
class foreign_records {
 public:
  explicit foreign_records(std::string_view file) noexcept : bytes_(file) {}

  enum class step : std::uint8_t {
    got,
    end,   ///< nothing is left but zeros
    torn,  ///< no whole record starts at offset()
  };
  step next(record& to);

  /// Of the next record.
  [[nodiscard]] std::size_t offset() const noexcept { return at_; }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// The files NNNNNN.wal of a directory in their order, or the file itself.
[[nodiscard]] std::vector<std::filesystem::path> foreign_files(const std::filesystem::path& from);

[[nodiscard]] std::uint32_t crc32c_of(std::string_view bytes) noexcept;

}  // namespace nori::cli

#endif

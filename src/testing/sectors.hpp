#ifndef NORI_TESTING_SECTORS_HPP
#define NORI_TESTING_SECTORS_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace nori::testing {

/// What a device writes whole or not at all.
inline constexpr std::size_t sector_bytes = 512;
using sector = std::array<std::byte, sector_bytes>;

/// The bytes of a file. Blocks are shared between copies until one of them writes; a block of
/// zeros takes no memory.
class sectors {
 public:
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  /// What lies behind the new end is zero from now on.
  void resize(std::uint64_t bytes);

  /// Within bytes().
  void read(std::uint64_t offset, std::byte* to, std::size_t count) const noexcept;
  /// A sector; behind the end it is zero, except for what put() left there.
  [[nodiscard]] const std::byte* at(std::uint64_t index) const noexcept;
  /// Does not change bytes(): what is put behind the end counts once the end has moved there.
  void put(std::uint64_t index, const std::byte* content);

  /// Of all sectors and the size.
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_ ^ mix(bytes_); }
  [[nodiscard]] static std::uint64_t mix(std::uint64_t x) noexcept;

 private:
  static constexpr std::size_t block_sectors = 8;
  using block = std::array<std::byte, block_sectors * sector_bytes>;

  [[nodiscard]] static std::uint64_t hash_of(std::uint64_t index, const std::byte* at) noexcept;

  std::vector<std::shared_ptr<block>> blocks_;
  std::uint64_t bytes_ = 0;
  std::uint64_t hash_ = 0;
};

}  // namespace nori::testing

#endif

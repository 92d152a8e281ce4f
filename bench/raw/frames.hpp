#ifndef NORI_BENCH_RAW_FRAMES_HPP
#define NORI_BENCH_RAW_FRAMES_HPP

#include <cstddef>
#include <cstdint>
#include <string>

namespace nori::bench::raw {

/// CRC-32C by the CPU's instruction, in three streams; by tables where there is none.
[[nodiscard]] std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t bytes) noexcept;

inline constexpr std::size_t frame_header_bytes = 32;

/// Lays frames of one size, as the log's are: a header of 32 bytes and a body.
///
//  offset  size  field
//  0       4     crc32c of all that follows
//  4       4     length of the frame, bytes
//  8       8     ordinal
//  16      16    zero
//  32      ...   body, then zeros
class framer {
 public:
  framer(std::string body, std::size_t frame_bytes);

  [[nodiscard]] std::size_t frame_bytes() const noexcept { return frame_bytes_; }

  void lay(std::byte* at) noexcept;

 private:
  std::string body_;
  std::size_t frame_bytes_;
  std::uint64_t ordinal_ = 0;
};

/// Length of the frame at `at`, of which `available` bytes are there. 0: not all of it is.
/// @throws std::runtime_error where it is damaged.
[[nodiscard]] std::size_t check_frame(const std::byte* at, std::size_t available);

}  // namespace nori::bench::raw

#endif

#ifndef NORI_TEST_FUZZ_FUZZ_HPP
#define NORI_TEST_FUZZ_FUZZ_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

// What the fuzzers share. Each is a file with LLVMFuzzerTestOneInput; libFuzzer drives it in the
// preset "fuzz", and replay.cpp runs its corpus through it in every other build.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
/// Mutates in place; returns the new size. libFuzzer's own.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed);

namespace nori::fuzz {

/// Bytes that operator new gave out so far, of this thread.
[[nodiscard]] std::size_t allocated_bytes() noexcept;

inline void require(bool holds, const char* fact) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", fact);
  std::abort();
}

/// Nothing that is parsed may make the parser allocate more than some bytes and so many times the
/// input.
class allocation_bound {
 public:
  explicit allocation_bound(std::size_t bytes) noexcept : end_(allocated_bytes() + bytes) {}
  allocation_bound(const allocation_bound&) = delete;
  allocation_bound& operator=(const allocation_bound&) = delete;
  ~allocation_bound() {
    require(allocated_bytes() <= end_, "allocations are bounded by the input");
  }

 private:
  std::size_t end_;
};

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) noexcept {
  return {reinterpret_cast<const std::byte*>(data), size};
}
inline std::string_view text_of(const std::uint8_t* data, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(data), size};
}

/// Values from the front of the input; zeros where it has ended.
class front {
 public:
  explicit front(std::span<const std::byte> bytes) noexcept : left_(bytes) {}

  template <typename Integer>
  [[nodiscard]] Integer take() noexcept {
    Integer value{};
    const std::size_t bytes = std::min(sizeof value, left_.size());
    if (bytes != 0) std::memcpy(&value, left_.data(), bytes);
    left_ = left_.subspan(bytes);
    return value;
  }
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return left_; }

 private:
  std::span<const std::byte> left_;
};

}  // namespace nori::fuzz

#endif

#include "raw/frames.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nori::bench::raw {

namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // reflected

template <typename Integer>
Integer load(const unsigned char* at) noexcept {
  Integer value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

constexpr auto table = [] {
  std::array<std::uint32_t, 256> made{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? polynomial : 0);
    made[i] = value;
  }
  return made;
}();

std::uint32_t crc32c_by_table(std::uint32_t crc, const void* data, std::size_t bytes) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint32_t state = ~crc;
  for (; bytes != 0; --bytes, ++at) state = (state >> 8) ^ table[(state ^ *at) & 0xff];
  return ~state;
}

#if defined(__x86_64__)

// The instruction takes a word each cycle and answers three cycles later: three runs of equally
// many words go side by side, and a carry-less multiplication by a power of x joins them.
constexpr std::size_t run_words_max = 128;
constexpr std::size_t run_words_min = 4;

// [n]: x^(64 n - 33) modulo the polynomial, reflected.
constexpr auto joins = [] {
  std::array<std::uint32_t, 2 * run_words_max + 1> made{};
  std::uint32_t power = std::uint32_t{1} << 31;  // x^0
  for (int exponent = 1; exponent <= 64 * static_cast<int>(2 * run_words_max) - 33; ++exponent) {
    power = (power >> 1) ^ ((power & 1) != 0 ? polynomial : 0);
    if ((exponent + 33) % 64 == 0) made[static_cast<std::size_t>(exponent + 33) / 64] = power;
  }
  return made;
}();

__attribute__((target("sse4.2,pclmul"))) std::uint32_t crc32c_by_instruction(
    std::uint32_t crc, const void* data, std::size_t bytes) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint64_t state = static_cast<std::uint32_t>(~crc);
  if (bytes >= 4 && (reinterpret_cast<std::uintptr_t>(at) & 7) == 4) {
    state = _mm_crc32_u32(static_cast<std::uint32_t>(state), load<std::uint32_t>(at));
    at += 4;
    bytes -= 4;
  }
  std::size_t words = bytes / 8;
  while (words >= 3 * run_words_min) {
    const std::size_t run = std::min(words / 3, run_words_max);
    const unsigned char* const second = at + 8 * run;
    const unsigned char* const third = second + 8 * run;
    std::uint64_t a = state;
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    const std::size_t last = 8 * (run - 1);
    for (std::size_t i = 0; i != last; i += 8) {
      a = _mm_crc32_u64(a, load<std::uint64_t>(at + i));
      b = _mm_crc32_u64(b, load<std::uint64_t>(second + i));
      c = _mm_crc32_u64(c, load<std::uint64_t>(third + i));
    }
    a = _mm_crc32_u64(a, load<std::uint64_t>(at + last));
    b = _mm_crc32_u64(b, load<std::uint64_t>(second + last));
    const auto carry = [](std::uint64_t value,
                          std::uint32_t by) __attribute__((target("sse4.2,pclmul"))) {
      return _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(value)),
                                  _mm_cvtsi32_si128(static_cast<int>(by)), 0);
    };
    const __m128i joined = _mm_xor_si128(carry(a, joins[2 * run]), carry(b, joins[run]));
    state = _mm_crc32_u64(c, load<std::uint64_t>(third + last) ^
                                 static_cast<std::uint64_t>(_mm_cvtsi128_si64(joined)));
    at += 24 * run;
    words -= 3 * run;
  }
  for (; words != 0; --words, at += 8) state = _mm_crc32_u64(state, load<std::uint64_t>(at));
  auto rest = static_cast<std::uint32_t>(state);
  for (bytes &= 7; bytes != 0; --bytes, ++at) rest = _mm_crc32_u8(rest, *at);
  return ~rest;
}

const bool has_instruction =
    __builtin_cpu_supports("sse4.2") != 0 && __builtin_cpu_supports("pclmul") != 0;

#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t bytes) noexcept {
#if defined(__x86_64__)
  if (has_instruction) [[likely]] {
    return crc32c_by_instruction(crc, data, bytes);
  }
#endif
  return crc32c_by_table(crc, data, bytes);
}

framer::framer(std::string body, std::size_t frame_bytes)
    : body_(std::move(body)), frame_bytes_(frame_bytes) {
  if (frame_bytes_ % 8 != 0 || frame_bytes_ < frame_header_bytes + body_.size()) {
    throw std::logic_error("a frame that does not hold its body");
  }
  // What is wrong here makes every figure wrong.
  if (crc32c(0, "123456789", 9) != 0xe3069283 ||
      crc32c(0, body_.data(), body_.size()) != crc32c_by_table(0, body_.data(), body_.size())) {
    throw std::logic_error("the raw loop's CRC-32C is wrong");
  }
}

void framer::lay(std::byte* at) noexcept {
  const std::uint64_t words[3] = {++ordinal_, 0, 0};
  const auto length = static_cast<std::uint32_t>(frame_bytes_);
  std::memcpy(at + 4, &length, 4);
  std::memcpy(at + 8, &words[0], 8);
  std::memcpy(at + 16, &words[1], 8);
  std::memcpy(at + 24, &words[2], 8);
  std::memcpy(at + frame_header_bytes, body_.data(), body_.size());
  std::memset(at + frame_header_bytes + body_.size(), 0,
              frame_bytes_ - frame_header_bytes - body_.size());
  const std::uint32_t crc = crc32c(0, at + 4, frame_bytes_ - 4);
  std::memcpy(at, &crc, 4);
}

std::size_t check_frame(const std::byte* at, std::size_t available) {
  if (available < frame_header_bytes) return 0;
  std::uint32_t head[2];
  std::memcpy(head, at, sizeof head);
  if (head[1] < frame_header_bytes) throw std::runtime_error("the raw file is damaged: length");
  if (head[1] > available) return 0;
  if (crc32c(0, at + 4, head[1] - 4) != head[0]) {
    throw std::runtime_error("the raw file is damaged: crc");
  }
  return head[1];
}

}  // namespace nori::bench::raw

#include "format/crc32c.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace nori::format {
namespace {

static_assert(std::endian::native == std::endian::little, "words are loaded in little endian");

// A 32-bit value stands for a polynomial over GF(2) of degree below 32, reflected: bit 31 is the
// coefficient of x^0, bit 0 that of x^31. Every constant below is derived from this one.
constexpr std::uint32_t polynomial = 0x82f63b78;

constexpr std::uint32_t times_x(std::uint32_t a) noexcept {
  return (a >> 1) ^ ((a & 1) != 0 ? polynomial : 0);
}

/// a * b modulo the polynomial.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    product ^= b & (0 - (a >> 31));
    b = times_x(b);
  }
  return product;
}

constexpr std::uint32_t one = std::uint32_t{1} << 31;
constexpr std::uint32_t x = std::uint32_t{1} << 30;

/// x^(2^i). The polynomial is (x + 1) times a primitive one of degree 31, so x^(2^31) is x again.
constexpr auto powers_of_two = [] {
  std::array<std::uint32_t, 31> result{};
  result[0] = x;
  for (std::size_t i = 1; i != result.size(); ++i)
    result[i] = multiply(result[i - 1], result[i - 1]);
  return result;
}();
static_assert(multiply(powers_of_two.back(), powers_of_two.back()) == x);

/// shifts[i][d] is x^(8 d 256^i): what digit i, counted to base 256, of a number of bytes does.
constexpr auto shifts = [] {
  std::array<std::array<std::uint32_t, 256>, 8> result{};
  for (std::size_t i = 0; i != result.size(); ++i) {
    result[i][0] = one;
    for (std::size_t digit = 1; digit != 256; ++digit)
      result[i][digit] =
          multiply(result[i][digit - 1], powers_of_two[(3 + 8 * i) % powers_of_two.size()]);
  }
  return result;
}();

// Slicing by 8: tables[k][b] is what byte b contributes k bytes further on. M. Kounavis and
// F. Berry, "A Systematic Approach to Building High Performance Software-Based CRC Generators",
// ISCC 2005.
constexpr auto tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> result{};
  for (std::uint32_t byte = 0; byte != 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit != 8; ++bit) value = times_x(value);
    result[0][byte] = value;
  }
  for (std::size_t slice = 1; slice != 8; ++slice)
    for (std::size_t byte = 0; byte != 256; ++byte) {
      const std::uint32_t before = result[slice - 1][byte];
      result[slice][byte] = (before >> 8) ^ result[0][before & 0xff];
    }
  return result;
}();

template <class Integer>
Integer load(const unsigned char* at) noexcept {
  Integer value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

#if defined(__x86_64__)

// The crc32 instruction takes 8 bytes each cycle but gives its result three cycles later, so three
// independent streams run three times faster than one. The streams are adjacent runs of equally
// many words; the results of the first two are carried to the end of the third by a carry-less
// multiplication with a constant that depends on the length of a run alone. V. Gopal et al., "Fast
// CRC Computation for iSCSI Polynomial Using CRC32 Instruction", Intel, 2011.
//
// The product of two reflected 32-bit values is a reflected 64-bit one, times x; feeding it into
// the instruction multiplies it by x^32. So x^(64 n - 33) carries a result over n words, the last
// of which is the one that the product is fed in with.
constexpr std::size_t run_words_max = 128;
constexpr std::size_t run_words_min = 4;  // below, one stream is as fast; measured

constexpr auto carry_over_words = [] {
  std::array<std::uint32_t, 2 * run_words_max + 1> result{};
  std::uint32_t power = one;
  for (int i = 0; i != 64 - 33; ++i) power = times_x(power);
  for (std::size_t words = 1; words != result.size(); ++words) {
    result[words] = power;
    power = multiply(power, powers_of_two[6]);  // by x^64
  }
  return result;
}();

__attribute__((target("sse4.2,pclmul"))) std::uint32_t crc32c_x86(std::uint32_t crc,
                                                                  const void* data,
                                                                  std::size_t bytes) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint64_t state = static_cast<std::uint32_t>(~crc);

  // A frame's crc starts 4 bytes behind a word of 8 and is computed right after the frame was
  // stored: loads that straddle two fresh stores would wait for both to reach the cache.
  if (bytes >= 8) {
    const auto address = reinterpret_cast<std::uintptr_t>(at);
    if ((address & 1) != 0) {
      state = _mm_crc32_u8(static_cast<std::uint32_t>(state), *at);
      at += 1, bytes -= 1;
    }
    if (((address + 1) & 2) != 0) {
      state = _mm_crc32_u16(static_cast<std::uint32_t>(state), load<std::uint16_t>(at));
      at += 2, bytes -= 2;
    }
    if (((address + 3) & 4) != 0) {
      state = _mm_crc32_u32(static_cast<std::uint32_t>(state), load<std::uint32_t>(at));
      at += 4, bytes -= 4;
    }
  }

  std::size_t words = bytes / 8;
  while (words >= 3 * run_words_min) {
    const std::size_t run = words / 3 < run_words_max ? words / 3 : run_words_max;
    const unsigned char* const second = at + 8 * run;
    const unsigned char* const third = second + 8 * run;
    std::uint64_t a = state;
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    std::size_t i = 0;
    for (; i != 8 * (run - 1); i += 8) {
      a = _mm_crc32_u64(a, load<std::uint64_t>(at + i));
      b = _mm_crc32_u64(b, load<std::uint64_t>(second + i));
      c = _mm_crc32_u64(c, load<std::uint64_t>(third + i));
    }
    a = _mm_crc32_u64(a, load<std::uint64_t>(at + i));
    b = _mm_crc32_u64(b, load<std::uint64_t>(second + i));
    const __m128i carried = _mm_xor_si128(
        _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(a)),
                             _mm_cvtsi32_si128(static_cast<int>(carry_over_words[2 * run])), 0),
        _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(b)),
                             _mm_cvtsi32_si128(static_cast<int>(carry_over_words[run])), 0));
    state = _mm_crc32_u64(
        c, load<std::uint64_t>(third + i) ^ static_cast<std::uint64_t>(_mm_cvtsi128_si64(carried)));
    at += 24 * run;
    words -= 3 * run;
  }
  for (; words != 0; --words, at += 8) state = _mm_crc32_u64(state, load<std::uint64_t>(at));

  auto rest = static_cast<std::uint32_t>(state);
  if ((bytes & 4) != 0) {
    rest = _mm_crc32_u32(rest, load<std::uint32_t>(at));
    at += 4;
  }
  if ((bytes & 2) != 0) {
    rest = _mm_crc32_u16(rest, load<std::uint16_t>(at));
    at += 2;
  }
  if ((bytes & 1) != 0) rest = _mm_crc32_u8(rest, *at);
  return ~rest;
}

bool has_crc_instructions() noexcept {
  __builtin_cpu_init();
  // branch: the machine that counts has them; the tests hold the tables against them.
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}
constexpr auto* crc32c_by_instruction = crc32c_x86;
#define NORI_CRC32C_BY_INSTRUCTION 1

#elif defined(__aarch64__) && defined(__linux__)

#if defined(__clang__)
__attribute__((target("crc")))
#else
__attribute__((target("+crc")))
#endif
std::uint32_t
crc32c_arm(std::uint32_t crc, const void* data, std::size_t bytes) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint32_t state = ~crc;
  for (std::size_t words = bytes / 8; words != 0; --words, at += 8)
    state = __crc32cd(state, load<std::uint64_t>(at));
  if ((bytes & 4) != 0) {
    state = __crc32cw(state, load<std::uint32_t>(at));
    at += 4;
  }
  if ((bytes & 2) != 0) {
    state = __crc32ch(state, load<std::uint16_t>(at));
    at += 2;
  }
  if ((bytes & 1) != 0) state = __crc32cb(state, *at);
  return ~state;
}

bool has_crc_instructions() noexcept { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
constexpr auto* crc32c_by_instruction = crc32c_arm;
#define NORI_CRC32C_BY_INSTRUCTION 1

#endif

#if defined(NORI_CRC32C_BY_INSTRUCTION)

using implementation = std::uint32_t (*)(std::uint32_t, const void*, std::size_t) noexcept;

std::uint32_t resolve(std::uint32_t crc, const void* data, std::size_t bytes) noexcept;

// Constant-initialized, so that a crc may be computed before main; the first call replaces it.
// Relaxed: threads that race store the same value.
constinit std::atomic<implementation> chosen{resolve};

std::uint32_t resolve(std::uint32_t crc, const void* data, std::size_t bytes) noexcept {
  // branch: as above.
  const implementation found = has_crc_instructions() ? crc32c_by_instruction : crc32c_portable;
  chosen.store(found, std::memory_order_relaxed);
  return found(crc, data, bytes);
}

#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, const void* data, std::size_t bytes) noexcept {
#if defined(NORI_CRC32C_BY_INSTRUCTION)
  return chosen.load(std::memory_order_relaxed)(crc, data, bytes);
#else
  return crc32c_portable(crc, data, bytes);
#endif
}

std::uint32_t crc32c_portable(std::uint32_t crc, const void* data, std::size_t bytes) noexcept {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint32_t state = ~crc;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    const std::uint64_t word = load<std::uint64_t>(at) ^ state;
    state = 0;
    for (std::size_t i = 0; i != 8; ++i) state ^= tables[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; bytes != 0; --bytes, ++at) state = (state >> 8) ^ tables[0][(state ^ *at) & 0xff];
  return ~state;
}

std::uint32_t crc32c_shift(std::uint32_t crc, std::uint64_t bytes) noexcept {
  for (std::size_t i = 0; bytes != 0; ++i, bytes >>= 8)
    if ((bytes & 0xff) != 0) crc = multiply(crc, shifts[i][bytes & 0xff]);
  return crc;
}

}  // namespace nori::format

#ifndef NORI_TEST_SUPPORT_ALLOCATIONS_HPP
#define NORI_TEST_SUPPORT_ALLOCATIONS_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

namespace nori::test {

/// Counts the calls of operator new on every thread; nothing where a sanitizer has its own.
[[nodiscard]] std::optional<std::size_t> allocations() noexcept;
/// How many bytes they asked for in all.
[[nodiscard]] std::optional<std::uint64_t> allocated_bytes() noexcept;

/// How often memory runs out.
inline constexpr std::uint64_t once = 1;
inline constexpr std::uint64_t for_ever = std::numeric_limits<std::uint64_t>::max();

/// False where a sanitizer has an operator new of its own.
[[nodiscard]] bool memory_can_run_out() noexcept;
/// The `kth` allocation from now on, of all threads, fails, and those behind it, so many in all. 0:
/// they are only counted. What has a testing::granted_memory neither fails nor counts.
void let_memory_run_out(std::uint64_t kth, std::uint64_t failures) noexcept;
/// There is memory again. Returns how many allocations were counted.
std::uint64_t give_memory() noexcept;
/// Allocations that failed since memory was let run out.
[[nodiscard]] std::uint64_t allocations_failed() noexcept;

}  // namespace nori::test

#endif

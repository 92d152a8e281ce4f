#ifndef NORI_BENCH_COMMON_ALLOCATIONS_HPP
#define NORI_BENCH_COMMON_ALLOCATIONS_HPP

#include <cstdint>

namespace nori::bench {

/// Heap allocations of this program so far, on all threads: calls of malloc and its kin, whether
/// from operator new or (as Asio does for coroutine frames) directly.
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace nori::bench

#endif

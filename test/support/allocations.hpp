#ifndef NORI_TEST_SUPPORT_ALLOCATIONS_HPP
#define NORI_TEST_SUPPORT_ALLOCATIONS_HPP

#include <cstddef>
#include <optional>

namespace nori::test {

/// Counts the calls of operator new on every thread; nothing where a sanitizer has its own.
[[nodiscard]] std::optional<std::size_t> allocations() noexcept;

}  // namespace nori::test

#endif

// Counts the bytes that are allocated: by a hook of the sanitizer, which wants operator new for
// itself; where there is none, by replacing operator new for the whole program.

#include <cstddef>

#include "fuzz/fuzz.hpp"
#include "support/sanitized.hpp"

namespace {

thread_local std::size_t sum = 0;

}  // namespace

namespace nori::fuzz {
std::size_t allocated_bytes() noexcept { return sum; }
}  // namespace nori::fuzz

#ifdef NORI_SANITIZED

extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             std::size_t),
                                                         void (*free_hook)(const volatile void*));

namespace {

const int hooked = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t bytes) { sum += bytes; }, [](const volatile void*) {});

}  // namespace

#else

namespace {

void note_allocation(std::size_t bytes) noexcept { sum += bytes; }

}  // namespace

#include "support/counted_new.hpp"

#endif

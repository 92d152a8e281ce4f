// Replaces operator new for the whole program: a file of its own, because that is all it may hold.

#include <atomic>
#include <new>

#include "support/allocations.hpp"
#include "support/sanitized.hpp"
#include "testing/granted_memory.hpp"

// Sanitizers have an operator new of their own, which finds more; but the program whose business is
// to run out of memory needs this one.
#if defined(NORI_SANITIZED) && !defined(NORI_REPLACE_SANITIZED_NEW)

namespace nori::test {
std::optional<std::size_t> allocations() noexcept { return std::nullopt; }
std::optional<std::uint64_t> allocated_bytes() noexcept { return std::nullopt; }
bool memory_can_run_out() noexcept { return false; }
void let_memory_run_out(std::uint64_t, std::uint64_t) noexcept {}
std::uint64_t give_memory() noexcept { return 0; }
std::uint64_t allocations_failed() noexcept { return 0; }
}  // namespace nori::test

#else

namespace {

std::atomic<std::size_t> count{0};
std::atomic<std::uint64_t> bytes_in_all{0};
std::atomic<bool> armed{false};
std::atomic<std::uint64_t> asked{0};
std::atomic<std::uint64_t> failed{0};
std::atomic<std::uint64_t> fails_at{0};
std::atomic<std::uint64_t> failures_left{0};

void note_allocation(std::size_t bytes) {
  count.fetch_add(1, std::memory_order_relaxed);
  bytes_in_all.fetch_add(bytes, std::memory_order_relaxed);
  if (!armed.load(std::memory_order_relaxed) || nori::testing::granted_memory::given()) return;
  const std::uint64_t number = asked.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::uint64_t first = fails_at.load(std::memory_order_relaxed);
  if (first == 0 || number < first || number - first >= failures_left) return;
  failed.fetch_add(1, std::memory_order_relaxed);
  throw std::bad_alloc();
}

}  // namespace

#include "support/counted_new.hpp"

namespace nori::test {

std::optional<std::size_t> allocations() noexcept { return count.load(std::memory_order_relaxed); }

std::optional<std::uint64_t> allocated_bytes() noexcept {
  return bytes_in_all.load(std::memory_order_relaxed);
}

bool memory_can_run_out() noexcept { return true; }

void let_memory_run_out(std::uint64_t kth, std::uint64_t failures) noexcept {
  asked = 0;
  failed = 0;
  fails_at = kth;
  failures_left = failures;
  armed = true;
}

std::uint64_t give_memory() noexcept {
  armed = false;
  return asked;
}

std::uint64_t allocations_failed() noexcept { return failed; }

}  // namespace nori::test

#endif

#include "format/planted_bug.hpp"

#ifdef NORI_PLANTED_BUGS

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace nori::format {

namespace {

planted_bug from_environment() noexcept {
  const char* const named = std::getenv("NORI_PLANTED_BUG");
  const std::string_view name = named != nullptr ? named : "";
  if (name == "skip_sync") return planted_bug::skip_sync;
  if (name == "acknowledge_before_sync") return planted_bug::acknowledge_before_sync;
  if (name == "skip_directory_sync") return planted_bug::skip_directory_sync;
  if (name == "retry_failed_sync") return planted_bug::retry_failed_sync;
  if (name == "drop_predecessor_link") return planted_bug::drop_predecessor_link;
  if (name == "drop_last_index_entry") return planted_bug::drop_last_index_entry;
  if (name == "adopt_failed_batch_orphans") return planted_bug::adopt_failed_batch_orphans;
  if (name == "keep_starved_index") return planted_bug::keep_starved_index;
  if (name == "skip_starved_record") return planted_bug::skip_starved_record;
  return planted_bug::none;
}

std::atomic<planted_bug>& current() noexcept {
  static std::atomic<planted_bug> which(from_environment());
  return which;
}

}  // namespace

bool planted(planted_bug which) noexcept {
  return current().load(std::memory_order_relaxed) == which;
}

void plant(planted_bug which) noexcept { current() = which; }

}  // namespace nori::format

#endif

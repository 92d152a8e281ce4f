#ifndef NORI_FORMAT_PLANTED_BUG_HPP
#define NORI_FORMAT_PLANTED_BUG_HPP

#include <cstdint>

namespace nori::format {

/// Bugs that can be switched on in a build with NORI_PLANTED_BUGS, to show that the suites find
/// them. In every other build `planted` is false when the program is compiled.
enum class planted_bug : std::uint8_t {
  none,
  skip_sync,                   ///< nothing is ever synced
  acknowledge_before_sync,     ///< durable is said of what was only submitted
  skip_directory_sync,         ///< new names are not synced
  retry_failed_sync,           ///< one that failed with ENOSPC is made again, and believed
  drop_predecessor_link,       ///< a segment is taken for the successor of any other
  drop_last_index_entry,       ///< an index file lacks the last place of each list
  adopt_failed_batch_orphans,  ///< recovery keeps the records of half a batch
  keep_starved_index,          ///< an index that memory ran out for is gone on with
  skip_starved_record,         ///< a reader that memory ran out for has moved on
};

#ifdef NORI_PLANTED_BUGS
/// Whether the environment variable NORI_PLANTED_BUG names it, or plant() does.
[[nodiscard]] bool planted(planted_bug which) noexcept;
/// From now on, in place of what the environment says.
void plant(planted_bug which) noexcept;
#else
[[nodiscard]] constexpr bool planted(planted_bug /*which*/) noexcept { return false; }
#endif

}  // namespace nori::format

#endif

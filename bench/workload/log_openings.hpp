#ifndef NORI_BENCH_WORKLOAD_LOG_OPENINGS_HPP
#define NORI_BENCH_WORKLOAD_LOG_OPENINGS_HPP

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/measure.hpp"
#include "common/options.hpp"
#include "common/report.hpp"

namespace nori::bench {

/// How a log of some size opens, each time in a process of its own, and takes appends after that.
struct log_openings {
  std::uint64_t log_bytes = 0;
  std::uint64_t newest_segment_bytes = 0;  ///< what recovery has to read
  std::uint64_t resident = 0;              ///< after opening
  spread after_close_ms;
  spread after_kill_ms;
  spread raw_ms;  ///< reading as many bytes as the newest segment has, CRC of each record
  spread kill_to_raw;
  spread always_per_s;  ///< records, appended by always_writers coroutines
  spread os_per_s;      ///< by one

  static constexpr std::uint64_t always_writers = 64;
  log_openings() = default;
};

/// Fills a log of about `bytes` (with several segments: so that the newest is 90 % full, which is
/// where opening costs most), closes or kills its owner, and opens it, in turn with the raw loop.
/// Then opens the one whose owner was killed again, and appends to it.
[[nodiscard]] log_openings measure_openings(const log_options& log, std::uint64_t bytes,
                                            std::size_t frame_bytes, std::uint64_t rounds,
                                            const std::filesystem::path& scratch, progress& shown);

/// What measuring that takes on the disk: the closed one, the killed one and its copies; segments
/// that are ready ahead.
[[nodiscard]] double room_for_openings(const log_options& log, std::uint64_t bytes) noexcept;

[[nodiscard]] json::object to_json(const log_openings& of);

}  // namespace nori::bench

#endif

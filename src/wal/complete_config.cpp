#include "wal/complete_config.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>

#include <nori/error.hpp>
#include <nori/record.hpp>

#include "format/frame.hpp"

namespace nori {

void complete_config(config& options) {
  const auto refuse = [](const std::string& what) { throw_error(errc::invalid_config, what); };
  if (options.dir.empty()) refuse("config.dir is empty");
  if (options.segment_bytes_max < segment_bytes_lowest ||
      options.segment_bytes_max > segment_bytes_highest) {
    refuse("config.segment_bytes_max is " + std::to_string(options.segment_bytes_max) +
           ": 64 KiB to 4 GiB are allowed");
  }
  if (options.segment_bytes_max % format::block_bytes != 0) {
    refuse("config.segment_bytes_max is not a multiple of 4096");
  }
  if (!std::has_single_bit(options.buffer_bytes_max) ||
      options.buffer_bytes_max < buffer_bytes_lowest ||
      options.buffer_bytes_max > buffer_bytes_highest) {
    refuse("config.buffer_bytes_max is " + std::to_string(options.buffer_bytes_max) +
           ": a power of two from 64 KiB to 1 GiB is allowed");
  }
  const std::size_t most = std::min<std::uint64_t>(
      {options.buffer_bytes_max / 2, options.segment_bytes_max / 2, record_bytes_highest});
  if (options.record_bytes_max == 0) options.record_bytes_max = most;
  if (options.record_bytes_max > most) {
    refuse("config.record_bytes_max is " + std::to_string(options.record_bytes_max) + ": 1 to " +
           std::to_string(most) +
           " are allowed, half of buffer_bytes_max and of segment_bytes_max");
  }
  if (options.fsync.which() == fsync_policy::kind::batch &&
      (options.fsync.window() <= std::chrono::milliseconds(0) ||
       options.fsync.window() > std::chrono::hours(1))) {
    refuse("config.fsync: the window is " + std::to_string(options.fsync.window().count()) +
           " ms: 1 ms to 1 h are allowed");
  }
  if (options.backend > backend::simulated) refuse("config.backend is no known backend");
  if (options.backend == backend::simulated && !options.storage) {
    refuse("config.backend is simulated: set config.storage");
  }
  if (options.recovery > recovery_mode::salvage) refuse("config.recovery is no known mode");
  if (options.verify > verification::everything) refuse("config.verify is no known verification");
  if (options.access > access::read_only) refuse("config.access is no known access");
  if (options.access == access::read_only && options.recovery == recovery_mode::salvage) {
    refuse("config.recovery: salvage writes, config.access is read_only");
  }
}

}  // namespace nori

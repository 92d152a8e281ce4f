#ifndef NORI_RECOVERY_INFO_HPP
#define NORI_RECOVERY_INFO_HPP

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nori/position.hpp>

namespace nori {

/// What wal::open found and did.
struct recovery_info {
  bool created = false;                ///< the directory held no log: a new one was begun
  bool clean_close = false;            ///< the log had been closed: nothing needed recovery
  std::uint64_t valid_records = 0;     ///< records in the log, deleted segments not counted
  std::uint64_t segments = 0;          ///< segments that hold records
  std::uint64_t segments_scanned = 0;  ///< segments read byte by byte
  /// Bytes behind the last valid record that an unfinished write had left: nothing acknowledged as
  /// durable was in them.
  std::uint64_t bytes_truncated = 0;
  /// Bytes that had been acknowledged as written, were still in the staging file, and were carried
  /// into their segment.
  std::uint64_t bytes_from_staging = 0;
  std::optional<position> last_valid_position;  ///< of the last record
  bool corruption_detected = false;             ///< only after recovery_mode::salvage
  /// Salvage: the files in the log's directory that hold the damaged bytes now.
  std::vector<std::string> salvaged_files;
  /// Salvage: what was damaged and what was dropped, a sentence each.
  std::vector<std::string> salvage_report;
  std::chrono::nanoseconds duration{};
};

}  // namespace nori

#endif

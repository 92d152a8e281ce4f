#ifndef NORI_METER_HPP
#define NORI_METER_HPP

#include <cstdint>
#include <string_view>

namespace nori {

/// Describes one measured quantity. Descriptors are constants with static lifetime: their address
/// identifies the quantity.
struct metric {
  enum class kind : std::uint8_t { counter, gauge, histogram };
  std::string_view name;  ///< Prometheus style, unit last: `nori_wal_sync_seconds`
  std::string_view help;  ///< one sentence
  kind is;
  std::string_view label = {};  ///< name of the one label that values carry, or empty
};

/// Receives measurements. Implement it to feed a monitoring system.
///
/// Called from whichever thread runs the log, once per batch rather than per record, and never
/// with a lock held. Implementations are thread-safe, quick, and do not throw.
class meter {
 public:
  virtual ~meter() = default;
  virtual void add(const metric& counter, std::uint64_t delta, std::string_view label) noexcept = 0;
  virtual void set(const metric& gauge, double value, std::string_view label) noexcept = 0;
  virtual void observe(const metric& histogram, double value, std::string_view label) noexcept = 0;
};

/// What the log measures.
namespace metrics {
inline constexpr metric wal_records{"nori_wal_records_total", "Records appended.",
                                    metric::kind::counter};
inline constexpr metric wal_bytes{"nori_wal_bytes_total", "Bytes appended, with framing.",
                                  metric::kind::counter};
inline constexpr metric wal_writes{"nori_wal_writes_total", "Group commits written to a segment.",
                                   metric::kind::counter};
inline constexpr metric wal_write_records{"nori_wal_write_records", "Records in one group commit.",
                                          metric::kind::histogram};
inline constexpr metric wal_write_bytes{"nori_wal_write_bytes", "Bytes in one group commit.",
                                        metric::kind::histogram};
inline constexpr metric wal_syncs{"nori_wal_syncs_total", "Syncs, synchronous writes included.",
                                  metric::kind::counter};
inline constexpr metric wal_sync_seconds{"nori_wal_sync_seconds",
                                         "Time from issuing a sync to its completion.",
                                         metric::kind::histogram};
inline constexpr metric wal_queue_records{
    "nori_wal_queue_records", "Records appended and not yet durable.", metric::kind::gauge};
inline constexpr metric wal_queue_bytes{"nori_wal_queue_bytes",
                                        "Bytes in the buffer that are not yet in a segment.",
                                        metric::kind::gauge};
inline constexpr metric wal_rotations{"nori_wal_rotations_total", "Segments begun.",
                                      metric::kind::counter};
inline constexpr metric wal_segments{"nori_wal_segments", "Segments in the log.",
                                     metric::kind::gauge};
inline constexpr metric wal_segments_deleted{"nori_wal_segments_deleted_total", "Segments deleted.",
                                             metric::kind::counter};
inline constexpr metric wal_recovery_seconds{
    "nori_wal_recovery_seconds", "Time that opening spent on recovery.", metric::kind::gauge};
inline constexpr metric wal_recovered_records{"nori_wal_recovered_records",
                                              "Records that recovery found.", metric::kind::gauge};
inline constexpr metric wal_truncated_bytes{
    "nori_wal_truncated_bytes", "Bytes of torn tail that recovery dropped.", metric::kind::gauge};
inline constexpr metric wal_failures{"nori_wal_failures_total",
                                     "Writes, syncs and allocations that failed.",
                                     metric::kind::counter, "operation"};
}  // namespace metrics

}  // namespace nori

#endif

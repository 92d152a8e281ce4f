#ifndef NORI_CLI_MONITORING_SERVICE_FIGURES_HPP
#define NORI_CLI_MONITORING_SERVICE_FIGURES_HPP

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/exposition.hpp"

namespace nori::cli {

/// A quantile as good as its buckets are: where it lies above the last bound, that bound.
struct estimate {
  double value = 0;
  bool or_more = false;
};

/// What took how long between two looks.
struct latencies {
  double count = 0;
  estimate p50;
  estimate p99;
};

/// How far somebody who reads the store is behind its end.
struct lag_of_reader {
  std::string name;
  std::string what;  ///< "projection", or "group": what shows its lag
  double events = 0;
  std::optional<double> change_per_second;
  std::optional<double> unacknowledged;  ///< of a group
  double poisonous = 0;                  ///< of a group: events that used up their attempts
};

/// What a running service does: per second between two looks, or as it is at the last one.
struct service_figures {
  double seconds = 0;      ///< between the looks; 0: there was only one, and there are no rates
  bool restarted = false;  ///< in between: what was counted began again

  double appends_per_second = 0;  ///< records
  double bytes_per_second = 0;
  double writes_per_second = 0;  ///< group commits
  double syncs_per_second = 0;
  std::optional<double> records_per_write;
  std::optional<latencies> sync;
  std::optional<double> queue_records;
  std::optional<double> queue_bytes;
  std::optional<double> segments;
  std::optional<double> recovered_records;
  std::optional<double> truncated_bytes;
  std::map<std::string, double> failures;  ///< by operation, since the service began

  bool is_store = false;
  double events_per_second = 0;
  double conflicts_per_second = 0;
  std::optional<latencies> append;
  std::optional<double> next_global_position;
  std::vector<lag_of_reader> readers;
};

/// Compares two looks at a service. Counters that fell, or are gone, mean that it was restarted:
/// then all that there is was counted since.
[[nodiscard]] service_figures figures_between(const exposition& before, const exposition& now,
                                              double seconds);
/// What one look tells.
[[nodiscard]] service_figures figures_at(const exposition& now);

}  // namespace nori::cli

#endif

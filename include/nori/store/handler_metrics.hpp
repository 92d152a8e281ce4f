#ifndef NORI_STORE_HANDLER_METRICS_HPP
#define NORI_STORE_HANDLER_METRICS_HPP

#include <nori/meter.hpp>

namespace nori::metrics {

/// What command handlers and snapshot stores measure.

inline constexpr metric commands{"nori_commands_total", "Commands handled, by what came of them.",
                                 metric::kind::counter, "outcome"};
inline constexpr metric command_cache{"nori_command_cache_total", "States looked for in the cache.",
                                      metric::kind::counter, "found"};
inline constexpr metric command_conflicts{"nori_command_conflicts_total",
                                          "Appends of commands that met a conflict.",
                                          metric::kind::counter};
inline constexpr metric command_retries{
    "nori_command_retries_total", "Decisions taken again on a newer state.", metric::kind::counter};
inline constexpr metric command_events_read{"nori_command_events_read",
                                            "Events read to bring one state up to date.",
                                            metric::kind::histogram};
inline constexpr metric snapshot_age_events{
    "nori_snapshot_age_events", "Events behind a snapshot that was used.", metric::kind::histogram};
inline constexpr metric snapshot_age_seconds{"nori_snapshot_age_seconds",
                                             "Time since a snapshot that was used was saved.",
                                             metric::kind::histogram};
inline constexpr metric snapshots_saved{"nori_snapshots_saved_total", "Snapshots saved.",
                                        metric::kind::counter};
inline constexpr metric snapshot_save_failures{"nori_snapshot_save_failures_total",
                                               "Snapshots that could not be saved.",
                                               metric::kind::counter};
inline constexpr metric handler_snapshot_failures{"nori_handler_snapshot_failures_total",
                                                  "Snapshots of handlers that were not saved.",
                                                  metric::kind::counter};
inline constexpr metric snapshots_loaded{"nori_snapshots_loaded_total",
                                         "Loads that found a snapshot.", metric::kind::counter};
inline constexpr metric snapshots_missed{"nori_snapshots_missed_total",
                                         "Loads that found no snapshot.", metric::kind::counter};
inline constexpr metric snapshots_ignored{"nori_snapshots_ignored_total",
                                          "Snapshots passed over, by reason.",
                                          metric::kind::counter, "reason"};

}  // namespace nori::metrics

#endif

#ifndef NORI_STORE_METRICS_HPP
#define NORI_STORE_METRICS_HPP

#include <nori/meter.hpp>

/// What the event store and what is built on it measure, through the meter in store_config::log.
/// Command handlers and snapshots have theirs in handler_metrics.hpp.
///
/// Label values are names that the program chose (of types, projections, groups, deciders) or one
/// of the words that the comment gives; never a stream's name, of which there is no end.
namespace nori::metrics {

// Appending. One append is one call, whatever it holds.
inline constexpr metric store_events{"nori_store_events_total", "Events appended.",
                                     metric::kind::counter};
inline constexpr metric store_events_by_type{"nori_store_events_by_type_total",
                                             "Events appended, by their type.",
                                             metric::kind::counter, "type"};
inline constexpr metric store_appends{
    "nori_store_appends_total", "Appends that put events into the store.", metric::kind::counter};
/// kind: wrong_revision, partly_repeated, matching_event, existing_event
inline constexpr metric store_conflicts{"nori_store_conflicts_total",
                                        "Appends that did nothing because of a conflict.",
                                        metric::kind::counter, "kind"};
inline constexpr metric store_repeated_appends{"nori_store_repeated_appends_total",
                                               "Appends that were recognised as done before.",
                                               metric::kind::counter};
inline constexpr metric store_append_seconds{
    "nori_store_append_seconds", "Time from the call of an append to its acknowledgement.",
    metric::kind::histogram};
inline constexpr metric store_next_global_position{"nori_store_next_global_position",
                                                   "Global position that the next event will get.",
                                                   metric::kind::gauge};

// Reading and the index.
inline constexpr metric store_events_read{"nori_store_events_read_total",
                                          "Events decoded for readers and subscriptions.",
                                          metric::kind::counter};
/// outcome: hit (answered from memory), miss (index files were asked)
inline constexpr metric store_stream_lookups{"nori_store_stream_lookups_total",
                                             "Times the newest revision of a stream was looked up.",
                                             metric::kind::counter, "outcome"};
/// outcome: hit, miss
inline constexpr metric store_index_pages{"nori_store_index_pages_total",
                                          "Pages of index files that were asked of the cache.",
                                          metric::kind::counter, "outcome"};
inline constexpr metric store_index_cache_bytes{
    "nori_store_index_cache_bytes", "Bytes of index pages in memory.", metric::kind::gauge};
/// reason: missing, damaged, stale
inline constexpr metric store_index_rebuilds{"nori_store_index_rebuilds_total",
                                             "Index files that were made again from their segment.",
                                             metric::kind::counter, "reason"};

// Subscriptions, consumer groups and projections.
/// name: of the projection or the group
inline constexpr metric store_subscription_lag{"nori_store_subscription_lag_events",
                                               "Events that a subscription has not given yet.",
                                               metric::kind::gauge, "name"};
inline constexpr metric store_checkpoint_saves{"nori_store_checkpoint_saves_total",
                                               "Checkpoints that were saved.",
                                               metric::kind::counter, "name"};
/// reason: damaged, foreign, newer_than_store
inline constexpr metric store_checkpoints_ignored{"nori_store_checkpoints_ignored_total",
                                                  "Checkpoints that were not believed when loaded.",
                                                  metric::kind::counter, "reason"};
inline constexpr metric projection_lag{"nori_projection_lag_events",
                                       "Events that are not in a projection's view yet.",
                                       metric::kind::gauge, "name"};
inline constexpr metric projection_events{"nori_projection_events_total",
                                          "Events folded into a projection's view.",
                                          metric::kind::counter, "name"};
inline constexpr metric projection_saves{"nori_projection_saves_total", "Views that were saved.",
                                         metric::kind::counter, "name"};
inline constexpr metric projection_rebuilds{"nori_projection_rebuilds_total",
                                            "Times a view was begun again from the first event.",
                                            metric::kind::counter, "name"};
/// reason: damaged, foreign, newer_than_store, other_version, unreadable
inline constexpr metric projection_views_ignored{"nori_projection_views_ignored_total",
                                                 "Saved views that were not believed when loaded.",
                                                 metric::kind::counter, "reason"};
inline constexpr metric group_deliveries{"nori_group_deliveries_total", "Deliveries to members.",
                                         metric::kind::counter, "name"};
inline constexpr metric group_redeliveries{"nori_group_redeliveries_total",
                                           "Deliveries of an event that was delivered before.",
                                           metric::kind::counter, "name"};
inline constexpr metric group_poisonous{"nori_group_poisonous_total",
                                        "Events that used up their attempts.",
                                        metric::kind::counter, "name"};
inline constexpr metric group_unacknowledged{"nori_group_unacknowledged_events",
                                             "Events read for a group and not acknowledged yet.",
                                             metric::kind::gauge, "name"};

}  // namespace nori::metrics

#endif

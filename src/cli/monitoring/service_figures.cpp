#include "monitoring/service_figures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include <nori/meter.hpp>
#include <nori/store/metrics.hpp>

namespace nori::cli {

namespace {

const std::array<const metric*, 6> watched_counters{
    &metrics::wal_records, &metrics::wal_bytes,    &metrics::wal_writes,
    &metrics::wal_syncs,   &metrics::store_events, &metrics::store_conflicts};
const std::array<const metric*, 3> watched_histograms{
    &metrics::wal_write_records, &metrics::wal_sync_seconds, &metrics::store_append_seconds};

bool began_again(const exposition& before, const exposition& now) {
  const auto fell = [&](std::string_view name) {
    return now.sum(name).value_or(0) < before.sum(name).value_or(0);
  };
  return std::any_of(watched_counters.begin(), watched_counters.end(),
                     [&](const metric* each) { return fell(each->name); }) ||
         std::any_of(watched_histograms.begin(), watched_histograms.end(),
                     [&](const metric* each) { return fell(std::string(each->name) + "_count"); });
}

// What fell into the buckets in between. No bucket has less than the one below it, whatever the
// page says: it may have been written while the service was counting.
distribution difference(const distribution& before, const distribution& now) {
  distribution made;
  double least = 0;
  for (const auto& [bound, count] : now.at_most) {
    const auto earlier = before.at_most.find(bound);
    const double more = count - (earlier == before.at_most.end() ? 0 : earlier->second);
    least = std::max(least, more);
    made.at_most[bound] = least;
  }
  made.sum = now.sum - before.sum;
  return made;
}

// As Prometheus does it: within a bucket everything is spread evenly.
estimate quantile(const distribution& of, double part) {
  const double rank = part * of.count();
  double lower = 0;
  double below = 0;
  for (const auto& [bound, count] : of.at_most) {
    if (count >= rank && count > below) {
      if (std::isinf(bound)) return {lower, true};
      return {lower + (bound - lower) * std::clamp((rank - below) / (count - below), 0.0, 1.0),
              false};
    }
    below = count;
    if (!std::isinf(bound)) lower = bound;
  }
  return {lower, true};
}

std::optional<latencies> latencies_of(const distribution& of) {
  if (of.count() <= 0) return std::nullopt;
  return latencies{of.count(), quantile(of, 0.5), quantile(of, 0.99)};
}

void put_readers(service_figures& to, const exposition& before, const exposition& now) {
  const auto unacknowledged = now.by_label(metrics::group_unacknowledged.name, "name");
  const auto poisonous = now.by_label(metrics::group_poisonous.name, "name");
  const auto put = [&](const metric& lag, const std::string& what) {
    const auto earlier = before.by_label(lag.name, lag.label);
    for (const auto& [name, events] : now.by_label(lag.name, lag.label)) {
      lag_of_reader one;
      one.name = name;
      one.what = what;
      one.events = events;
      const auto was = earlier.find(name);
      if (to.seconds > 0 && was != earlier.end()) {
        one.change_per_second = (events - was->second) / to.seconds;
      }
      if (what == "group") {
        if (const auto found = unacknowledged.find(name); found != unacknowledged.end()) {
          one.unacknowledged = found->second;
        }
        if (const auto found = poisonous.find(name); found != poisonous.end()) {
          one.poisonous = found->second;
        }
      }
      to.readers.push_back(std::move(one));
    }
  };
  put(metrics::store_subscription_lag, "group");
  put(metrics::projection_lag, "projection");
  // Whoever is furthest behind is what one looks for.
  std::sort(to.readers.begin(), to.readers.end(),
            [](const lag_of_reader& a, const lag_of_reader& b) {
              return std::tie(b.events, a.name) < std::tie(a.events, b.name);
            });
}

}  // namespace

service_figures figures_at(const exposition& now) {
  const exposition nothing;
  return figures_between(nothing, now, 0);
}

service_figures figures_between(const exposition& before, const exposition& now, double seconds) {
  service_figures made;
  made.seconds = seconds;
  made.restarted = seconds > 0 && began_again(before, now);
  const exposition nothing;
  const exposition& earlier = made.restarted ? nothing : before;
  if (seconds > 0) {
    const auto rate = [&](const metric& of) {
      return (now.sum(of.name).value_or(0) - earlier.sum(of.name).value_or(0)) / seconds;
    };
    const auto between = [&](const metric& of) {
      return difference(earlier.histogram(of.name), now.histogram(of.name));
    };
    made.appends_per_second = rate(metrics::wal_records);
    made.bytes_per_second = rate(metrics::wal_bytes);
    made.writes_per_second = rate(metrics::wal_writes);
    made.syncs_per_second = rate(metrics::wal_syncs);
    made.events_per_second = rate(metrics::store_events);
    made.conflicts_per_second = rate(metrics::store_conflicts);
    const distribution groups = between(metrics::wal_write_records);
    if (groups.count() > 0) made.records_per_write = groups.sum / groups.count();
    made.sync = latencies_of(between(metrics::wal_sync_seconds));
    made.append = latencies_of(between(metrics::store_append_seconds));
  }
  made.queue_records = now.sum(metrics::wal_queue_records.name);
  made.queue_bytes = now.sum(metrics::wal_queue_bytes.name);
  made.segments = now.sum(metrics::wal_segments.name);
  made.recovered_records = now.sum(metrics::wal_recovered_records.name);
  made.truncated_bytes = now.sum(metrics::wal_truncated_bytes.name);
  made.failures = now.by_label(metrics::wal_failures.name, metrics::wal_failures.label);
  made.next_global_position = now.sum(metrics::store_next_global_position.name);
  made.is_store = made.next_global_position || now.has(metrics::store_events.name);
  put_readers(made, before, now);
  return made;
}

}  // namespace nori::cli

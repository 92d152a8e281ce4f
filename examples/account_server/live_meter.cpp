#include "live_meter.hpp"

#include <algorithm>
#include <new>
#include <vector>

namespace account_server {

void recent_values::add(double value) {
  values_[count_ % kept_max] = value;
  ++count_;
}

json::object recent_values::summary() const {
  std::vector<double> sorted(
      values_.begin(),
      values_.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(count_, kept_max)));
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double share) {
    if (sorted.empty()) return 0.0;
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  };
  return {{"count", count_}, {"p50", at(0.5)}, {"p99", at(0.99)}, {"max", at(1)}};
}

void live_meter::add(const nori::metric& counter, std::uint64_t delta,
                     std::string_view label) noexcept {
  exporter_.add(counter, delta, label);
  if (&counter == &nori::metrics::wal_records) {
    const std::lock_guard lock(mutex_);
    records_ += delta;
  } else if (&counter == &metrics::commands) {
    const std::lock_guard lock(mutex_);
    if (label == "accepted") accepted_ += delta;
    if (label == "repeated") repeated_ += delta;
    if (label == "rejected") rejected_ += delta;
    if (label == "conflict") conflicts_ += delta;
    if (label == "overloaded") overloaded_ += delta;
  }
}

void live_meter::set(const nori::metric& gauge, double value, std::string_view label) noexcept {
  exporter_.set(gauge, value, label);
}

void live_meter::observe(const nori::metric& histogram, double value,
                         std::string_view label) noexcept {
  exporter_.observe(histogram, value, label);
  const std::lock_guard lock(mutex_);
  if (&histogram == &nori::metrics::wal_write_records) {
    // One without records says no more than that the ones before it are durable.
    if (value > 0) commit_records_.add(value);
    last_commit_ = static_cast<std::uint64_t>(value);
  } else if (&histogram == &nori::metrics::wal_sync_seconds) {
    sync_ms_.add(value * 1e3);
    try {
      syncs_.push_back({sync_ms_.count(), value * 1e3, last_commit_});
      if (syncs_.size() > syncs_shown_max) syncs_.pop_front();
    } catch (const std::bad_alloc&) {
      // A point of the graph is lost, no more.
    }
  } else if (&histogram == &metrics::command_seconds) {
    command_ms_.add(value * 1e3);
  }
}

json::object live_meter::log() const {
  const std::lock_guard lock(mutex_);
  json::array recent;
  for (const sync& each : syncs_) {
    recent.push_back({{"sync", each.number}, {"ms", each.ms}, {"records", each.records}});
  }
  return {{"syncs", sync_ms_.count()},
          {"commits", commit_records_.count()},
          {"records", records_},
          {"sync_ms", sync_ms_.summary()},
          {"commit_records", commit_records_.summary()},
          {"recent", std::move(recent)}};
}

json::object live_meter::commands() const {
  const std::lock_guard lock(mutex_);
  return {{"accepted", accepted_},   {"repeated", repeated_},     {"rejected", rejected_},
          {"conflicts", conflicts_}, {"overloaded", overloaded_}, {"ms", command_ms_.summary()}};
}

}  // namespace account_server

#ifndef ACCOUNT_SERVER_LIVE_METER_HPP
#define ACCOUNT_SERVER_LIVE_METER_HPP

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include <nori/meter.hpp>
#include <nori/store/prometheus.hpp>

namespace account_server {

namespace json = boost::json;

// What the server measures, beside what the log and the store do.
namespace metrics {
/// outcome: accepted, repeated, rejected, conflict, overloaded, failed
inline constexpr nori::metric commands{"account_server_commands_total", "Commands, by outcome.",
                                       nori::metric::kind::counter, "outcome"};
inline constexpr nori::metric command_seconds{"account_server_command_seconds",
                                              "Time from a command's being read to its answer.",
                                              nori::metric::kind::histogram};
inline constexpr nori::metric responses{"account_server_responses_total",
                                        "Responses, by status code.", nori::metric::kind::counter,
                                        "code"};
inline constexpr nori::metric connections{"account_server_connections", "Connections open.",
                                          nori::metric::kind::gauge};
inline constexpr nori::metric connections_refused{"account_server_connections_refused_total",
                                                  "Connections over the limit.",
                                                  nori::metric::kind::counter};
inline constexpr nori::metric subscriptions{"account_server_subscriptions", "Readers of /events.",
                                            nori::metric::kind::gauge};
inline constexpr nori::metric subscription_lag{"account_server_subscription_lag_events",
                                               "Events that the slowest reader has not taken.",
                                               nori::metric::kind::gauge};
}  // namespace metrics

/// The latest values of something, and what they were like.
class recent_values {
 public:
  static constexpr std::size_t kept_max = 512;
  void add(double value);
  /// count of all, and of the latest p50, p99 and max.
  [[nodiscard]] json::object summary() const;
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

 private:
  std::array<double, kept_max> values_{};
  std::uint64_t count_ = 0;
};

/// Passes everything on to Prometheus' exporter, and keeps what the page shows as it happens.
///
/// @par Thread safety
/// Safe to use from any thread. The log measures once per group commit, so the lock is quiet.
class live_meter final : public nori::meter {
 public:
  void add(const nori::metric& counter, std::uint64_t delta,
           std::string_view label) noexcept override;
  void set(const nori::metric& gauge, double value, std::string_view label) noexcept override;
  void observe(const nori::metric& histogram, double value,
               std::string_view label) noexcept override;

  /// What Prometheus is shown.
  [[nodiscard]] std::string text() const { return exporter_.text(); }
  /// syncs, commits, records, sync_ms, commit_records, recent
  [[nodiscard]] json::object log() const;
  /// accepted, repeated, rejected, conflicts, overloaded, ms
  [[nodiscard]] json::object commands() const;

 private:
  struct sync {
    std::uint64_t number;
    double ms;
    std::uint64_t records;
  };
  static constexpr std::size_t syncs_shown_max = 120;

  nori::prometheus_exporter exporter_;
  mutable std::mutex mutex_;
  recent_values sync_ms_;
  recent_values commit_records_;
  recent_values command_ms_;
  std::deque<sync> syncs_;
  std::uint64_t records_ = 0;
  std::uint64_t last_commit_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t repeated_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t conflicts_ = 0;
  std::uint64_t overloaded_ = 0;
};

}  // namespace account_server

#endif

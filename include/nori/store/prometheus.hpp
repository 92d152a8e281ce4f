#ifndef NORI_STORE_PROMETHEUS_HPP
#define NORI_STORE_PROMETHEUS_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nori/meter.hpp>

namespace nori {

struct prometheus_options {
  prometheus_options() = default;

  /// Label values that one metric keeps apart; what comes with any further one is added up under
  /// "other". At least 1.
  std::size_t label_values_max = 200;
  /// Upper bounds of the buckets of a histogram, by its name; finite and ascending. Without an
  /// entry they go by the unit at the end of the name: 10 us to 10 s for _seconds, 64 to 64 Mi for
  /// _bytes, else 1 to 65536.
  std::map<std::string, std::vector<double>, std::less<>> buckets;
};

/// Keeps measurements and shows them in Prometheus' text format, version 0.0.4.
///
///     auto metrics = std::make_shared<nori::prometheus_exporter>();
///     options.meter = metrics;
///     // Upon GET /metrics:
///     respond(nori::prometheus_exporter::content_type, metrics->text());
///
/// @par Thread safety
/// Safe to call from any thread. Measuring takes no lock once it has seen metric and label value.
/// @par Errors
/// Measuring has none: what comes after the 512th metric, or when there is no memory, is lost.
class prometheus_exporter final : public meter {
 public:
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";
  static constexpr std::size_t metrics_max = 512;

  /// @throws errc::invalid_config
  explicit prometheus_exporter(prometheus_options options = {});
  prometheus_exporter(const prometheus_exporter&) = delete;
  prometheus_exporter& operator=(const prometheus_exporter&) = delete;
  ~prometheus_exporter() override;

  void add(const metric& counter, std::uint64_t delta, std::string_view label) noexcept override;
  void set(const metric& gauge, double value, std::string_view label) noexcept override;
  void observe(const metric& histogram, double value, std::string_view label) noexcept override;

  /// What was measured so far, sorted. Bytes in label values that are not UTF-8 are shown as \xNN.
  [[nodiscard]] std::string text() const;

 private:
  struct registry;
  std::unique_ptr<registry> registry_;
};

}  // namespace nori

#endif

#ifndef NORI_CLI_MONITORING_EXPOSITION_HPP
#define NORI_CLI_MONITORING_EXPOSITION_HPP

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace nori::cli {

/// A line of a page of metrics: a value and the labels that it carries.
struct labelled_value {
  std::map<std::string, std::string, std::less<>> labels;
  double value = 0;
};

/// Observations by size: how many were at most so large, by bucket. Ascending, +Inf is the last.
struct distribution {
  std::map<double, double> at_most;
  double sum = 0;

  [[nodiscard]] double count() const noexcept {
    return at_most.empty() ? 0 : at_most.rbegin()->second;
  }
};

/// What a service says of itself in Prometheus' text format, as far as it is nori's: what else is
/// on the page is passed over, whatever it looks like.
class exposition {
 public:
  exposition() = default;
  /// @throws malformed_page with the number of the line.
  explicit exposition(std::string_view text);

  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }
  [[nodiscard]] bool has(std::string_view name) const { return values_.contains(name); }
  /// The sum of a metric over its labels; none where it is not on the page.
  [[nodiscard]] std::optional<double> sum(std::string_view name) const;
  /// The same by one label, "" for values without it.
  [[nodiscard]] std::map<std::string, double> by_label(std::string_view name,
                                                       std::string_view label) const;
  /// A histogram, its labels summed up but for `le`.
  [[nodiscard]] distribution histogram(std::string_view name) const;

 private:
  std::map<std::string, std::vector<labelled_value>, std::less<>> values_;
};

class malformed_page : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace nori::cli

#endif

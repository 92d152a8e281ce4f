#include "monitoring/exposition.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace nori::cli {

namespace {

constexpr std::string_view our_prefix = "nori_";

// One line from left to right. Each function gives false where the line is not as it says.
class sample_line {
 public:
  explicit sample_line(std::string_view text) : left_(text) {}

  bool name(std::string& to) {
    const std::size_t end = left_.find_first_of("{ \t");
    if (end == std::string_view::npos || end == 0) return false;
    to = left_.substr(0, end);
    left_.remove_prefix(end);
    return true;
  }

  // {name="value",name="value",}: the last comma may stand or not.
  bool labels(std::map<std::string, std::string, std::less<>>& to) {
    blanks();
    if (!left_.starts_with('{')) return true;
    left_.remove_prefix(1);
    for (;;) {
      blanks();
      if (left_.starts_with('}')) {
        left_.remove_prefix(1);
        return true;
      }
      const std::size_t equals = left_.find('=');
      if (equals == std::string_view::npos) return false;
      std::string label(left_.substr(0, equals));
      while (label.ends_with(' ')) label.pop_back();
      left_.remove_prefix(equals + 1);
      std::string value;
      if (label.empty() || !quoted(value)) return false;
      to.insert_or_assign(std::move(label), std::move(value));
      blanks();
      if (left_.starts_with(',')) {
        left_.remove_prefix(1);
      } else if (!left_.starts_with('}')) {
        return false;
      }
    }
  }

  // Behind it there may be a time, which nobody needs.
  bool value(double& to) {
    blanks();
    if (left_.starts_with('+')) left_.remove_prefix(1);
    const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), to);
    // Nothing that nori measures is infinite, or no number.
    if (error != std::errc() || !std::isfinite(to)) return false;
    left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
    return left_.empty() || left_.front() == ' ' || left_.front() == '\t';
  }

 private:
  void blanks() { left_.remove_prefix(std::min(left_.find_first_not_of(" \t"), left_.size())); }

  bool quoted(std::string& to) {
    blanks();
    if (!left_.starts_with('"')) return false;
    for (std::size_t i = 1; i < left_.size(); ++i) {
      if (left_[i] == '"') {
        left_.remove_prefix(i + 1);
        return true;
      }
      if (left_[i] == '\\' && ++i == left_.size()) return false;
      to += left_[i - 1] == '\\' && left_[i] == 'n' ? '\n' : left_[i];
    }
    return false;
  }

  std::string_view left_;
};

}  // namespace

exposition::exposition(std::string_view text) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with(our_prefix)) continue;
    sample_line parts(line);
    std::string name;
    labelled_value found;
    if (!parts.name(name) || !parts.labels(found.labels) || !parts.value(found.value)) {
      throw malformed_page("line " + std::to_string(number) + " is no metric: \"" +
                           std::string(line.substr(0, 80)) + "\"");
    }
    values_[name].push_back(std::move(found));
  }
}

std::optional<double> exposition::sum(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  double sum = 0;
  for (const labelled_value& each : found->second) sum += each.value;
  return sum;
}

std::map<std::string, double> exposition::by_label(std::string_view name,
                                                   std::string_view label) const {
  std::map<std::string, double> made;
  const auto found = values_.find(name);
  if (found == values_.end()) return made;
  for (const labelled_value& each : found->second) {
    const auto its = each.labels.find(label);
    made[its == each.labels.end() ? std::string() : its->second] += each.value;
  }
  return made;
}

distribution exposition::histogram(std::string_view name) const {
  distribution made;
  for (const auto& [bound, count] : by_label(std::string(name) + "_bucket", "le")) {
    double at = std::numeric_limits<double>::infinity();
    if (bound != "+Inf") {
      const auto [end, error] = std::from_chars(bound.data(), bound.data() + bound.size(), at);
      if (error != std::errc() || end != bound.data() + bound.size()) {
        throw malformed_page(std::string(name) + " has a bucket up to \"" + bound + "\"");
      }
    }
    made.at_most[at] += count;
  }
  made.sum = sum(std::string(name) + "_sum").value_or(0);
  return made;
}

}  // namespace nori::cli

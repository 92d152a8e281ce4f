#ifndef NORI_CLI_RECOMMENDATION_HPP
#define NORI_CLI_RECOMMENDATION_HPP

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nori::cli {

/// Which policy, and why; no policy where the figures do not tell.
struct recommendation {
  std::string policy;
  std::vector<std::string> why;  ///< a sentence each
};

struct load_figures {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

struct policy_figures {
  std::string name;  ///< "always", "batch:5ms", "os"
  load_figures alone;
  load_figures together;  ///< 64 appends at a time
};

/// What nori-bench policies found.
struct policies_report {
  std::string file_system;
  std::string device;
  bool direct_io = false;
  std::optional<double> durable_write_us;  ///< the fastest that the raw loops saw
  std::vector<policy_figures> policies;    ///< what survives most comes first
  std::vector<std::string> warnings;
  boost::json::object machine;
};

/// @throws std::exception where it is not what nori-bench writes.
[[nodiscard]] policies_report read_policies_report(std::string_view json);

/// The one that keeps most and is fast enough: for `rate` appends per second with as much to spare,
/// or, without, for what most services need.
[[nodiscard]] recommendation recommend(const policies_report& of, std::optional<double> rate);

[[nodiscard]] std::string microseconds_text(double us);  ///< "150 ns", "338 us", "7.6 ms"
[[nodiscard]] std::string lost_in_a_power_cut(const std::string& policy);
/// As it is written in C++.
[[nodiscard]] std::string in_a_program(const std::string& policy);

}  // namespace nori::cli

#endif

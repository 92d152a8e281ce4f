#ifndef NORI_TEST_SUITES_ON_DISK_SUITE_HPP
#define NORI_TEST_SUITES_ON_DISK_SUITE_HPP

#include <chrono>
#include <cstdint>
#include <string>

namespace nori::suites {

/// What a suite is told, and what it tells: lines on standard output.
struct suite_options {
  std::uint64_t seed = 1;
  std::chrono::seconds seconds{30};
  std::string scratch;  ///< a directory on a disk that lives in memory
};

void report_progress(const suite_options& of, std::chrono::steady_clock::time_point begun);
void report_figure(const char* name, std::uint64_t value);
void report_control(const char* name, bool caught, const std::string& by);

/// File systems that are shut down at once under a writer.
int file_system_shutdowns(const suite_options& options);
/// Guests of another kernel that are killed under a writer.
int power_cuts(const suite_options& options);
/// More appends than the disk takes, and a disk that stands still.
int overload(const suite_options& options);

}  // namespace nori::suites

#endif
